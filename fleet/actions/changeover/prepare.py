"""Who can take over, and what would be lost? Every member is looked at now: what the last beats knew may be old."""

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from fleet import changing, copies, ledger, placement, policy, quorums, subjects, upgrading
from fleet.actions import hosts
from fleet.actions.base import Acting, ActionError
from fleet.actions.changeover import former, upgrade
from fleet.actions.changeover.marks import answers_again, by_itself, call_off, refuse, refuse_in_time, timeline_of
from fleet.actions.changeover.promote import rehearse
from fleet.models import Changeover, Instance, Resource
from fleet.ports import Ports
from fleet.postgres import control
from fleet.postgres.statements import statement
from fleet.states import AVAILABLE, DESTROYED, DESTROYING
from fleet.subject import Subject
from fleet.succession import capacity, lsn, sorting
from fleet.succession.choosing import Candidate, Leader, Limits, choose, why_not
from fleet.succession.claim import SORTS, UNLOGGED, WEAK
from fleet.succession.loss import Look, recalled
from fleet.succession.quorum import CANT_LOSE
from fleet.transports.base import Row, TransportError

# The control file knows the timeline of the last restart point, which may be long ago: a standby that was just rewound
# and has lost its leader since is on the one that its newest segment is named after.
_SIZES = ", ".join(f"'{name}'" for name in capacity.NAMES)
LOOK = f"""SELECT pg_catalog.pg_is_in_recovery() AS in_recovery,
       pg_catalog.pg_last_wal_receive_lsn()::pg_catalog.text AS received,
       pg_catalog.pg_last_wal_replay_lsn()::pg_catalog.text AS replayed,
       CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_get_wal_replay_pause_state() = 'paused' END
           AS replay_paused,
       (SELECT pg_catalog.string_agg(name || '=' || setting, ' ') FROM pg_catalog.pg_settings WHERE name IN ({_SIZES}))
           AS capacity,
       {sorting.SORTS} AS sorts,
       coalesce((SELECT received_tli FROM pg_catalog.pg_stat_wal_receiver),
                (SELECT ('x' || pg_catalog.max(pg_catalog.left(name, 8)))::bit(32)::int
                   FROM pg_catalog.pg_ls_waldir() WHERE name ~ '^[0-9A-F]{{24}}$'),
                (SELECT timeline_id FROM pg_catalog.pg_control_checkpoint())) AS timeline_id,
       (SELECT latest_end_lsn::pg_catalog.text FROM pg_catalog.pg_stat_wal_receiver) AS heard,
       (SELECT extract(epoch FROM pg_catalog.clock_timestamp() - last_msg_receipt_time)::pg_catalog.float8
          FROM pg_catalog.pg_stat_wal_receiver) AS heard_s"""
LOOK_TIMEOUT_S = 1.0
CHECKPOINT_S = 22.0
PLANNED = Limits(policy.SWITCH_LAG_BYTES, policy.LONGEST_S, planned=True)


def prepare(changeover: Changeover, acting: Acting) -> str:
    """Choose the new leader, and see to it that it is near. A refusal says of each member why not."""
    ledger.write(changeover, acting.lease)
    resource = Resource.objects.get(pk=changeover.resource_id)
    if resource.state not in changing.MOVABLE:
        return refuse(changeover, acting, f"{resource.name} is {resource.look.label.lower()}: it can't change over now")
    if not changeover.planned:
        # Where the leader is lost there is nobody to be protected meanwhile; a planned one enters when all is there.
        changing.enter(resource, acting.because)
    if changeover.reason in (Changeover.RESIZE, Changeover.RETIREMENT, Changeover.RESTORE, Changeover.UPGRADE):
        return _made_for_it(changeover, acting)
    members = list(_members(changeover))
    said = _ask(members, acting)
    resource, source = changeover.resource, changeover.source
    if source is None:
        return refuse(changeover, acting, f"{resource.name} has no leader that could be followed by another")
    if by_itself(changeover) and answers_again(changeover, source):
        return call_off(changeover, acting, f"{source.name} answers again")
    if by_itself(changeover) and (hears := _hearing(members, said, source, resource.plan.doubt_s)):
        return refuse_in_time(
            changeover,
            acting,
            f"{hears} still hears from {source.name}: the control plane is cut off, and {source.name} serves",
        )
    record = quorums.record(resource.quorum)
    looks = _looks(source, said.values(), acting)
    planned = changeover.planned
    choice = choose(
        Leader(looks, timeline_of(source), source.server.zone, record.says == CANT_LOSE),
        [
            former.candidate(changeover, one, acting)
            if one.outdated
            else _candidate(one, said.get(one.pk), one.slot in record.required, source)
            for one in members
        ],
        PLANNED if planned else Limits(policy.FAILOVER_LAG_BYTES, resource.plan.doubt_s + policy.LONGEST_S),
        wanted=changeover.wanted,
        # A leader that takes part stops cleanly: nothing can be lost, whoever is near takes over.
        accept_loss="unknown" if planned else changing.accepted(changeover.accept_loss),
    )
    if not choice.name:
        reasons = "; ".join(choice.refusals.values())
        return refuse_in_time(changeover, acting, f"{choice.why}. {reasons or f'{resource.name} has no standby.'}")
    target = next(one for one in members if one.name == choice.name)
    if why := rehearse(changeover, target, acting):
        return refuse(changeover, acting, why)
    weak = 0 if planned else int(source.facts.get("weak_commits") or 0)
    unlike = _sorts_unlike(said.get(target.pk), source)
    notes = [*_emptied(resource, acting, planned), *([WEAK.told({"weak_commits": weak})] if weak else [])]
    notes += [SORTS.told({"sorts_unlike": unlike})] if unlike else []
    if planned:
        _checkpoint(source, acting)
        changing.enter(Resource.objects.get(pk=resource.pk), acting.because)
    ready = {
        "ready": time.time(),
        "why": choice.why,
        "lossless": planned or (choice.lossless and not weak),
        "notes": notes,
        "may_lose_bytes": choice.may_lose_bytes,
        "refusals": dict(choice.refusals),
        "looks": [[one.lsn, time.time() - one.age_s] for one in looks],
    }
    ledger.write(changeover, acting.lease, ready, target_id=target.pk)
    return "; ".join((choice.why, *notes))


def _emptied(resource: Resource, acting: Acting, serves: bool) -> list[str]:
    """Unlogged tables come empty out of every promotion: how many there are, as a leader that `serves` says now, or as
    one said last that nobody must wait for."""
    known: dict[str, Any] = {name: resource.facts.get(name) for name in ("unlogged_tables", "unlogged_bytes")}
    database = subjects.database_of(resource) if serves else None
    if database is not None:
        with suppress(TransportError):
            asked = [statement("unlogged", resource.major)]
            row = acting.ports.sql.fetch(database, asked, timeout=LOOK_TIMEOUT_S)[0][0]
            known |= {name: row[name] for name in known if name in row}
    if not int(known["unlogged_tables"] or 0):
        return []
    return [UNLOGGED.told(known if known["unlogged_bytes"] is not None else known | {"unlogged_bytes": "unknown"})]


def _made_for_it(changeover: Changeover, acting: Acting) -> str:
    """The new leader is built first; the old one serves meanwhile."""
    target = changeover.target
    if target is None:
        resource = changeover.resource
        if changeover.plan:
            resource.plan = changeover.plan
        try:
            also = upgrading.major_of(changeover)
            target = copies.instance_for(changeover) or placement.place_standby(resource, also)
        except placement.NoRoom as error:
            return refuse(changeover, acting, str(error))
        ledger.write(changeover, acting.lease, target_id=target.pk)
        return f"{target.name} on {target.server.name} is being built"
    target.refresh_from_db()
    if target.state in (DESTROYING, DESTROYED):
        return refuse(changeover, acting, f"{target.name} was destroyed meanwhile")
    if target.state != AVAILABLE:
        raise ActionError(f"{target.name} is {target.state}: {target.problem or target.why or 'the build is running'}")
    if target.role == Instance.STANDBY:
        said = _ask([target], acting).get(target.pk)
        if source := changeover.source:
            at = lsn.known(source.facts.get("lsn"))
            leader = Leader([Look(at, 0.0)] if at else [], timeline_of(source), source.server.zone, None)
            if unlike := _sorts_unlike(said, source):
                return refuse(
                    changeover,
                    acting,
                    f"{target.name} can't take over: {unlike}",
                )
            if unfit := why_not(leader, _candidate(target, said, False, source), PLANNED):
                raise ActionError(f"{target.name} can't take over yet: {unfit}")
    why = _older(changeover, target, acting) or upgrade.runs(changeover, acting)
    if why := why or rehearse(changeover, target, acting):
        return refuse(changeover, acting, why)
    if changeover.source:
        _checkpoint(changeover.source, acting)
    changing.enter(Resource.objects.get(pk=changeover.resource_id), acting.because)
    notes = _emptied(changeover.resource, acting, serves=True)
    ledger.mark(changeover, acting.lease, "ready", lossless=True, why=f"{target.name} was built for it", notes=notes)
    return "; ".join((f"{target.name} is ready", *notes))


def _older(changeover: Changeover, target: Instance, acting: Acting) -> str:
    """Why pg_upgrade would fail there, before anybody is stopped for it; "" for a changeover of another kind."""
    major, source = upgrading.major_of(changeover), changeover.source
    bin_ = target.server.pg.get(str(major), "")
    if not bin_ or source is None:
        return ""
    shell, _subject = hosts.of(target, acting)
    version = source.facts.get("version")
    program = shell.run([f"{bin_}/postgres", "--version"]).out
    why = upgrading.too_old(int(version) if version else None, program)
    return f"{target.server}: {why}" if why else ""


def _members(changeover: Changeover) -> Iterable[Instance]:
    """The hidden standbys; where the leader takes no part, also those that led before it."""
    alive = Instance.objects.select_related("server", "timeline").exclude(state__in=(DESTROYING, DESTROYED))
    standbys = alive.filter(standby_for=changeover.resource)
    yield from standbys.filter(outdated=False) if changeover.planned else standbys


def _ask(members: list[Instance], acting: Acting) -> dict[Any, Row]:
    """One look at each, side by side; those that say nothing are not in it."""
    seen = [subjects.monitored(one, acting.subject.now) for one in members]
    with ThreadPoolExecutor(max(1, len(members))) as pool:
        answers = pool.map(lambda subject: _look(subject, acting.ports), seen)
        return {one.pk: said for one, said in zip(members, list(answers), strict=True) if said}


def _look(subject: Subject, ports: Ports) -> Row | None:
    if subject.database is None:
        return None
    try:
        return ports.sql.fetch(subject.database, [LOOK], timeout=LOOK_TIMEOUT_S)[0][0]
    except TransportError:
        return None


def _hearing(members: list[Instance], said: dict[Any, Row], source: Instance, window_s: float) -> str:
    """A standby that heard from the leader within the doubt window, though nobody proved that dead; "" for none."""
    if source.server.facts.get("machine") in ("stopped", "absent") or source.facts.get("postmaster") == "false":
        return ""
    heard = ((one.name, said[one.pk]["heard_s"]) for one in members if one.pk in said and not one.outdated)
    return next((name for name, ago in heard if ago is not None and ago < window_s), "")


def _candidate(one: Instance, said: Row | None, required: bool, source: Instance) -> Candidate:
    return Candidate(
        name=one.name,
        zone=one.server.zone,
        server_state=one.server.state,
        state=one.state,
        reachable=said is not None,
        in_recovery=said["in_recovery"] if said else None,
        received_lsn=lsn.known(said["received"]) if said else None,
        replayed_lsn=lsn.known(said["replayed"]) if said else None,
        timeline_id=said["timeline_id"] if said else None,
        required=required,
        follower=one.standby_for_id is None,
        replay_paused=said.get("replay_paused") if said else None,
        short_of=capacity.short_of(said.get("capacity"), source.facts.get("capacity")) if said else None,
        sorts_unlike=_sorts_unlike(said, source),
    )


def _sorts_unlike(said: Row | None, source: Instance) -> str | None:
    return sorting.unlike(said.get("sorts"), source.facts.get("sorts")) if said else None


def _looks(source: Instance, said: Iterable[Row], acting: Acting) -> list[Look]:
    """Where the old leader's WAL was last seen: by our own looks, and by what it told its standbys."""
    looks = []
    ours, when, _archived = recalled(source.facts.get("last_seen"))
    if ours is not None:
        looks.append(Look(ours, max(0.0, acting.subject.now.timestamp() - when)))
    for row in said:
        heard = lsn.known(row["heard"])
        if heard is not None and row["heard_s"] is not None:
            looks.append(Look(heard, max(0.0, row["heard_s"])))
    return looks


def _checkpoint(source: Instance, acting: Acting) -> None:
    """Stopping writes out what is dirty: with it written now, stopping takes a moment."""
    shell, subject = hosts.of(source, acting)
    hosts.right(acting, CHECKPOINT_S)
    control.run_sql(shell, subject, "SET statement_timeout = '20s';\nCHECKPOINT;\n", timeout=CHECKPOINT_S)
