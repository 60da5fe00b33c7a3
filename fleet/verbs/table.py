"""The rows. `manage.py tables` prints them; forms, API, commands and roles are made from them. A new verb is a row here
and what its kind's own table does with it (fleet/think)."""

from django.db import transaction

from fleet import believing, choices, copies, upgrading
from fleet.models import Address, Changeover, Instance, Intent, Resource, Server, Timeline
from fleet.plans import PRODUCTION
from fleet.states import (
    ATTACHED,
    ATTACHING,
    AVAILABLE,
    CHANGING_OVER,
    CREATING,
    DESTROYED,
    DESTROYING,
    DOWN,
    FENCED,
    FENCING,
    MAINTENANCE,
    NEEDS_HUMAN,
    OPEN,
    PLANNED,
    PREPARING,
    PROMOTING,
    REPOINTING,
    RETIRING,
    STOPPED,
    UNCERTAIN,
    WAITING_FOR_WINDOW,
)
from fleet.verbs import checks, effects, parameters
from fleet.verbs.effects import plain
from fleet.verbs.parameters import Parameter, Type
from fleet.verbs.row import Params, Request, Verb, written

SERVING = (AVAILABLE, UNCERTAIN, DOWN)
MOVABLE = (*SERVING, CHANGING_OVER)
ALIVE = (CREATING, *SERVING)
DRAWN = "left empty, one is generated"

AT = Parameter("at", parameters.PAST, "2026-11-20 14:03 (in UTC), or 2 hours ago; left empty, now", "As of")
BACK_TO = Parameter(
    "at", parameters.PAST, "the moment to go back to: 2026-11-20 14:03 (in UTC), or 2 hours ago", "As of", required=True
)
COPY = (
    Parameter("name", parameters.NEW_NAME, f"name of the new database; {DRAWN}", "Name of the new database"),
    Parameter(
        "plan",
        Type(str, longest=40, read=lambda text, _: choices.plan(text, PRODUCTION).name, metavar="PLAN"),
        "plan of the new database; left empty, that of the original",
    ),
    Parameter("zone", parameters.ZONE_NAME, "preferred zone; left empty, any"),
)
TO = Parameter(
    "to", parameters.INSTANCE, "the instance that becomes the leader; left empty, the best is chosen", "New leader"
)
LATER = Parameter(
    "not_before",
    parameters.TO_COME,
    "2026-12-04 02:00 (in UTC), or `window`: when its maintenance window opens next; left empty, now",
    "Not before",
)
LOSSES = (
    Parameter("force", parameters.FLAG, "go past a refusal, by your decision", "Force it", grave=True),
    Parameter(
        "accept_loss", parameters.LOSS, "what may be lost: a number of bytes, or unknown", "Accept to lose", grave=True
    ),
)
PLAN = Parameter(
    "plan", parameters.PLAN, "the plan to move to", required=True, word=True, missing=choices.plans_to_move_to
)


def _follow(resource: Resource, asked: Request, params: Params) -> Intent:
    return _made(copies.follow(resource, actor=asked.by.name, reason=asked.reason, key=asked.key, **params))


def _fork(resource: Resource, asked: Request, params: Params) -> Intent:
    return _made(copies.fork(resource, actor=asked.by.name, reason=asked.reason, key=asked.key, **copies.timed(params)))


def _undelete(resource: Resource, asked: Request, _params: Params) -> Intent:
    return _made(copies.undelete(resource, actor=asked.by.name, reason=asked.reason, key=asked.key))


def _restore(resource: Resource, asked: Request, params: Params) -> Intent:
    return copies.restore(resource, actor=asked.by.name, reason=asked.reason, key=asked.key, **copies.timed(params))


def _believe(resource: Resource, asked: Request, params: Params) -> Intent:
    intent = written(resource, asked, params)
    transaction.on_commit(lambda: believing.ask_for_looks(resource))
    return intent


def _made(resource: Resource) -> Intent:
    return Intent.objects.filter(subject=resource.pk, verb="create").latest("asked_at")


_SERVERS = (
    Verb(Server.KIND, "retire", "take it out of service by a date: all instances are moved off, then the machine is destroyed",
         (*SERVING, RETIRING), effects.retire,
         (Parameter("by", parameters.TO_COME, "when it has to be empty: 2026-12-04 or 2026-12-04 18:00, in UTC; left empty, in a week", "By"),),
         examples=("herd retire host-3 --by 2026-12-04T18:00Z",)),
    Verb(Server.KIND, "keep", "leave a retiring server in service after all",
         (*SERVING, RETIRING), plain("leaves {0} in service; what is planned stays planned until it is cancelled"), unfit=checks.stays,
         examples=("herd keep host-3",)),
    Verb(Server.KIND, "destroy", "destroy the machine; no instance may be on it any more",
         (*ALIVE, RETIRING), plain("destroys the machine {0}"), grave=True, unfit=checks.occupied,
         examples=("herd destroy host-3 --confirm host-3 --reason 'too small'",)),
)  # fmt: skip

_INSTANCES = (
    Verb(Instance.KIND, "restart", "restart PostgreSQL", SERVING, effects.restart, each_time=True,
         examples=("herd restart instance/shop-2",)),
    Verb(Instance.KIND, "stop", "stop PostgreSQL and leave it so", SERVING, effects.stop,
         examples=("herd stop instance/shop-2",)),
    Verb(Instance.KIND, "start", "start PostgreSQL again", (STOPPED, *SERVING), effects.start,
         examples=("herd start instance/shop-2",)),
    Verb(Instance.KIND, "retry", "try a failed build or removal again", (CREATING, DESTROYING), plain("tries what failed at {0} again"),
         examples=("herd retry instance/shop-2",)),
    Verb(Instance.KIND, "rebuild", "rebuild a standby from its leader", ALIVE,
         plain("replaces all data of {0} by a new copy of its leader's; its leader goes on"), each_time=True, unfit=checks.leads,
         examples=("herd rebuild shop-2",)),
    Verb(Instance.KIND, "discard", "let a former leader's stray writes go, where they can't be read out", (CREATING,),
         plain("lets go, for good, of what {0} wrote that its new leader has not"), grave=True, unfit=checks.clean,
         examples=("herd discard shop-1 --confirm shop-1 --reason 'seen to by hand'",)),
    Verb(Instance.KIND, "destroy", "stop PostgreSQL and remove its data directory", (*ALIVE, STOPPED, FENCED),
         plain("stops PostgreSQL and removes the data directory of {0}"), grave=True, unfit=checks.inhabited,
         examples=("herd destroy instance/shop-2 --confirm shop-2 --reason 'not needed'",)),
)  # fmt: skip

_RESOURCES = (
    Verb(Resource.KIND, "restart", "restart its PostgreSQL", SERVING, effects.restart, each_time=True, unfit=checks.shared,
         customer=("Restart", "ends every connection, and serves again after some seconds"), platform=True,
         examples=("herd restart acme-orders",)),
    Verb(Resource.KIND, "stop", "stop its PostgreSQL: maintenance", SERVING, effects.stop, unfit=checks.shared,
         examples=("herd stop acme-orders --reason 'new disk'",)),
    Verb(Resource.KIND, "start", "end the maintenance", (MAINTENANCE, UNCERTAIN, DOWN), effects.start, unfit=checks.shared,
         examples=("herd start acme-orders",)),
    Verb(Resource.KIND, "failover", "promote a standby now, whatever the leader does", MOVABLE, effects.failover, (TO, *LOSSES),
         each_time=True, unfit=checks.failover, check=checks.to_lead,
         examples=("herd failover acme-orders",
                   "herd failover acme-orders --force --accept-loss 1048576 --confirm acme-orders --reason 'zone b is gone'")),
    Verb(Resource.KIND, "switchover", "let a standby lead; the leader takes part, and nothing is lost", MOVABLE, effects.switchover,
         (TO, LATER), each_time=True, unfit=checks.switchover, check=checks.to_lead,
         examples=("herd switchover acme-orders --not-before window",)),
    Verb(Resource.KIND, "resize", "move it to another plan, on a server with room", MOVABLE, effects.resize, (PLAN, LATER),
         each_time=True, check=checks.resize,
         examples=("herd resize acme-orders premium-0",)),
    Verb(Resource.KIND, "upgrade", "bring it to another major version of PostgreSQL", MOVABLE, effects.upgrade,
         (Parameter("major", parameters.MAJOR, "the major version; left empty, the newer one if there is just one", "PostgreSQL"), LATER),
         each_time=True, unfit=upgrading.obstacle, check=checks.upgrade,
         examples=("herd upgrade acme-orders --major 18 --not-before 2026-11-22T02:00Z",)),
    Verb(Resource.KIND, "rotate", "give its owner another password; whoever is connected stays", MOVABLE,
         plain("gives the owner of {0} another password; the old one stops working; whoever is connected stays"),
         each_time=True, unfit=checks.follows_for_password,
         customer=("New password", "the old one stops working; your app gets the new URL"), platform=True,
         examples=("herd rotate acme-orders",)),
    Verb(Resource.KIND, "follow", "make a database that follows it, read-only", (AVAILABLE, UNCERTAIN, CHANGING_OVER),
         plain("makes another database that shows what {0} holds, read-only; {0} is not touched"), COPY, unfit=checks.not_alone, carry=_follow, bears="create",
         customer=("Make a follower", "a copy for reading that stays as this one is"),
         examples=("herd follow acme-orders --zone b",)),
    Verb(Resource.KIND, "unfollow", "make a follower a database of its own", (*MOVABLE, MAINTENANCE),
         plain("makes {0} a database of its own, to be written to; what it followed goes on"), unfit=checks.leads_itself,
         customer=("Stop following", "from then on it is a database of its own, to be written to"), platform=True,
         examples=("herd unfollow calm-otter",)),
    Verb(Resource.KIND, "fork", "make a database of its own from it, as it is or was", (*ALIVE, MAINTENANCE, CHANGING_OVER, DESTROYED),
         effects.fork, (AT, *COPY), unfit=checks.not_forkable, carry=_fork, bears="create",
         customer=("Fork", "a copy as of now, or as of the time that you give, that goes its own way"),
         examples=("herd fork acme-orders --at '2 hours ago' --name acme-before",)),
    Verb(Resource.KIND, "backup", "take a base backup now", SERVING, plain("copies {0} as it is into its archive; nobody is disconnected"),
         each_time=True, unfit=checks.unarchived,
         customer=("Back up now", "a backup besides the regular ones"), platform=True,
         examples=("herd backup acme-orders",)),
    Verb(Resource.KIND, "dump", "take a logical backup now", MOVABLE, plain("runs pg_dump of {0} into one file; nobody is disconnected"), each_time=True,
         customer=("Logical backup", "all that it holds in one file, which any PostgreSQL can load"), platform=True,
         examples=("herd dump acme-orders",)),
    Verb(Resource.KIND, "load", "replace what it holds by a logical backup, or by a dump at an https address", MOVABLE, effects.load,
         (Parameter("backup", parameters.BACKUP, "the name of a logical backup", "A logical backup"),
          Parameter("url", parameters.URL, "or an https address of a dump, signed if it has to be", "Address"),
          Parameter("across_customers", parameters.FLAG, "although it is another customer's backup", "Across customers"),
          Parameter("check", parameters.FLAG, "only list what would be left out; nothing is replaced", "Check only")),
         grave=True, each_time=True, unfit=checks.not_loadable, check=checks.load,
         customer=("Load", "another content in the place of all that the database holds"), platform=True,
         examples=("herd load acme-orders --backup acme-orders-dump-7 --confirm acme-orders --reason 'a bad deploy'",
                   "herd load acme-orders --url https://dumps.example.com/latest --confirm acme-orders --reason 'moved here'")),
    Verb(Resource.KIND, "lift", "end its suspension before its time", SERVING,
         plain("lets the owner of {0} log in again"), unfit=checks.not_suspended,
         examples=("herd lift acme-orders --reason 'the customer has fixed it'",)),
    Verb(Resource.KIND, "believe", "record the leader that its hosts show, after herdsite's own database was restored",
         (*MOVABLE, MAINTENANCE), plain("records the instance of {0} that accepts writes as its leader, and ends what the records take for under way; "
         "the hosts are not touched"),
         (Parameter("leader", parameters.MEMBER, "the instance that leads, if not all instances answer; left empty, the one that accepts writes", "Leader"),
          Parameter("force", parameters.FLAG, "although another accepts writes, or this one does not: what it lacks is lost", "Force it")),
         grave=True, each_time=True, unfit=checks.not_its_own, carry=_believe,
         examples=("herd believe acme-orders --confirm acme-orders --reason 'restored the control plane of 03:00'",)),
    Verb(Resource.KIND, "restore", "go back to a moment; what was written since is left behind", (AVAILABLE, UNCERTAIN, CHANGING_OVER),
         effects.restore, (BACK_TO,), grave=True, each_time=True, unfit=checks.not_restorable, carry=_restore,
         customer=("Restore to a time", "what was written since is left behind"), platform=True,
         examples=("herd restore acme-orders --at '2026-11-20 14:03' --confirm acme-orders --reason 'a bad deploy'",)),
    Verb(Resource.KIND, "undelete", "bring it back after it was destroyed", (DESTROYED,), plain("brings {0} back as it was last, under its name"),
         unfit=checks.not_forkable, carry=_undelete, bears="create",
         customer=("Bring back", "as it was when it was destroyed"),
         examples=("herd undelete acme-orders",)),
    Verb(Resource.KIND, "destroy", "remove the database with all of its data", (*ALIVE, MAINTENANCE, CHANGING_OVER), effects.destroy,
         grave=True, unfit=checks.followed,
         customer=("Destroy", "removes the database with all of its data"),
         examples=("herd destroy acme-orders --confirm acme-orders --reason 'moved away'",)),
)  # fmt: skip

_OTHERS = (
    Verb(Timeline.KIND, "backup", "take a base backup now", (OPEN,), plain("copies what is on {0} into its archive"), each_time=True,
         examples=("herd backup timeline/shop-1",)),
    Verb(Timeline.KIND, "drill", "restore it to a scratch place, for a trial", (OPEN,),
         plain("restores {0} to a scratch place, checks that, and removes it again"), each_time=True,
         examples=("herd drill timeline/shop-1",)),
    Verb(Address.KIND, "detach", "detach it; the next checks attach it again", (ATTACHED, ATTACHING),
         plain("detaches {0} until the next checks attach it again; connections through it are cut"),
         examples=("herd detach address/shop-address",)),
    Verb(Changeover.KIND, "cancel", "leave it, if the old leader can go on",
         (PLANNED, WAITING_FOR_WINDOW, PREPARING, FENCING, PROMOTING, NEEDS_HUMAN), plain("calls {0} off: the old leader goes on"),
         examples=("herd cancel changeover/shop-move-1",)),
    Verb(Changeover.KIND, "retry", "try again where it stopped", (PREPARING, FENCING, PROMOTING, REPOINTING, NEEDS_HUMAN),
         plain("tries {0} again where it stopped"),
         examples=("herd retry changeover/shop-move-1",)),
)  # fmt: skip

TABLE: tuple[Verb, ...] = (*_SERVERS, *_INSTANCES, *_RESOURCES, *_OTHERS)
BY_NAME = {(row.kind, row.name): row for row in TABLE}


def verb(kind: str, name: str) -> Verb | None:
    return BY_NAME.get((kind, name))


def verbs_of(kind: str) -> tuple[Verb, ...]:
    """Those that things of this kind know, in the order of the table."""
    return tuple(row for row in TABLE if row.kind == kind)
