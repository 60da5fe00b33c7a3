"""What asking would do, as a sentence about the thing itself: from where to where, for how long nobody gets in, what is
lost. It is shown before anybody asks."""

from collections.abc import Callable
from typing import Any

from fleet import quorums
from fleet.models import Instance, Resource
from fleet.progress import human
from fleet.states import DESTROYED, DESTROYING
from fleet.succession.quorum import CANT_LOSE
from fleet.verbs.row import Params

BRIEFLY, SECONDS = "connections are cut for about 0.5 s", "connections are cut for some seconds"
SAFE = "nothing is lost"


def plain(text: str) -> Callable[[Any, Params], str]:
    """The same of every thing; {0} is its name."""
    return lambda member, _params: text.format(member.name)


def restart(member: Any, _params: Params) -> str:
    return f"restarts PostgreSQL{_on(member)} for {member.name}; {SECONDS}; {SAFE}"


def stop(member: Any, _params: Params) -> str:
    return f"stops PostgreSQL{_on(member)}: no client can log in to {member.name} until it is started; {SAFE}"


def start(member: Any, _params: Params) -> str:
    return f"starts PostgreSQL{_on(member)} for {member.name} again"


def switchover(resource: Resource, params: Params) -> str:
    return f"moves {_move(resource, params)}; {BRIEFLY}; {SAFE}"


def failover(resource: Resource, params: Params) -> str:
    if params.get("accept_loss"):
        bound = params["accept_loss"]
        lost = (
            "any amount of WAL may be lost" if bound == "unknown" else f"up to {human(int(bound))} of WAL may be lost"
        )
    elif quorums.record(resource.quorum).says == CANT_LOSE:
        lost = "no acknowledged write is lost"
    else:
        lost = "writes that no standby has may be lost, within what the plan allows"
    return f"fences the leader and moves {_move(resource, params)}; connections are cut until then; {lost}"


def resize(resource: Resource, params: Params) -> str:
    to = params.get("plan") or "another plan"
    if not resource.own_instance:
        return f"gives {resource.name} the limits of {to} where it is; connections stay; {SAFE}"
    where = "on a server with room"
    return f"moves {resource.name} from {resource.plan} to {to} {where}; {BRIEFLY} once its copy is there; {SAFE}"


def upgrade(resource: Resource, params: Params) -> str:
    to = f"PostgreSQL {params['major']}" if params.get("major") else "another major version"
    return (
        f"brings {resource.name} from PostgreSQL {resource.major} to {to} on another server; no client can log in "
        f"while pg_upgrade runs, for seconds to a minute; {SAFE}"
    )


def restore(resource: Resource, params: Params) -> str:
    at = f"{params['at'][:19].replace('T', ' ')} UTC" if params.get("at") else "the time that you give"
    return f"puts {resource.name} back to {at}; what was written since is left behind; {BRIEFLY} once its copy is there"


def fork(resource: Resource, params: Params) -> str:
    at = f"{params['at'][:19].replace('T', ' ')} UTC" if params.get("at") else "now"
    return f"makes a database of its own of {resource.name} as of {at}; {resource.name} is not touched"


def load(resource: Resource, _params: Params) -> str:
    held = _held(resource)
    return f"replaces all that {resource.name} holds{held} once the new content is complete; {SECONDS} then"


def destroy(resource: Resource, _params: Params) -> str:
    days = resource.plan.keep_days
    archived = resource.own_instance and resource.instance and resource.instance.timeline.archive
    kept = f"; its archive stays for {days} days, in which undelete brings it back" if archived else ""
    return f"removes {resource.name} with all of its data{_held(resource)}; no client can log in any more{kept}"


def retire(server: Any, params: Params) -> str:
    living = server.instances.exclude(state__in=(DESTROYING, DESTROYED)).count()
    by = params["by"][:16].replace("T", " ") + " UTC" if params.get("by") else "a week from now"
    return f"moves all {living} instance(s) off {server.name} by {by}, each by a switchover; then the machine goes"


def _move(resource: Resource, params: Params) -> str:
    here = resource.instance.name if resource.instance else "nowhere"
    standbys = resource.standbys.exclude(state__in=(DESTROYING, DESTROYED)).values_list("name", flat=True)
    there = params.get("to") or (standbys[0] if len(standbys) == 1 else "the most advanced standby")
    return f"{resource.name} from {here} to {there}"


def _held(resource: Resource) -> str:
    size = resource.facts.get("db_size_bytes") or ""
    return f" ({human(int(size))})" if size.isdigit() else ""


def _on(member: Any) -> str:
    server = member.server if isinstance(member, Instance) else member.instance and member.instance.server
    return f" on {server.name}" if server else ""
