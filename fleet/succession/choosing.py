"""Who takes over: the member that loses nothing, else the one that loses least, within limits or by acceptance.

A member that the leader provably had to wait for has every acknowledged write, however far behind it looks. Any other
is judged by what was seen of the leader. Whoever is passed over is told why, and what it would have lost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fleet import states
from fleet.succession import lsn
from fleet.succession.loss import HANDED_BACK, NONE, NOTHING, UNKNOWN, AcceptLoss, Look, Loss, bound

# An instance may be down in our books and answer again by now: the look counts, unless the state forbids it.
FIT = (states.AVAILABLE, states.UNCERTAIN, states.DOWN)
FIT_SERVER = (states.AVAILABLE, states.UNCERTAIN, states.RETIRING)


@dataclass(frozen=True)
class Candidate:
    """A member as it was looked at just now. `received_lsn` is flushed to its disk. `required`: the record names it
    (quorum.Record). `can_drain`: archive or peers may hold WAL that it lacks. `follower`: a customer reads from it.
    `former`: it led, and is stopped for good. `unfollowed`: whoever was to lead after it was never seen to, and no
    customer was led there. `short_of`: what it has less of than the leader (succession/capacity.py). `sorts_unlike`: in
    what its host sorts in another way than the leader's (succession/sorting.py)."""

    name: str
    zone: str
    server_state: str
    state: str
    reachable: bool | None
    in_recovery: bool | None
    received_lsn: int | None
    replayed_lsn: int | None
    timeline_id: int | None
    required: bool = False
    can_drain: bool | None = None
    follower: bool = False
    former: bool = False
    unfollowed: bool = False
    replay_paused: bool | None = None
    short_of: str | None = None
    sorts_unlike: str | None = None

    @property
    def has(self) -> int | None:
        """What it has for certain. One that replays from the archive has received nothing and replayed much."""
        return max((at for at in (self.received_lsn, self.replayed_lsn) if at is not None), default=None)


@dataclass(frozen=True)
class Leader:
    """The old leader: what was seen of its WAL, and whether the record says that it can't lose (quorum.Record)."""

    looks: Sequence[Look]
    timeline_id: int | None
    zone: str
    cant_lose: bool | None


@dataclass(frozen=True)
class Limits:
    """What a plan lets a failover lose without asking anybody. `planned`: the leader takes part and loses nothing, and
    `max_bytes` is how far its successor may be behind when it begins."""

    max_bytes: int
    max_s: float
    planned: bool = False


@dataclass(frozen=True)
class Choice:
    """`name` is empty when nobody may take over. `drain` names members that shall fetch what the archive holds before
    the choice is made again. What lies past `lost_from_lsn` on the old leader is what may be lost."""

    name: str
    why: str
    refusals: Mapping[str, str]
    lossless: bool = False
    may_lose_bytes: int | None = None
    may_lose_s: float | None = None
    lost_from_lsn: int | None = None
    drain: tuple[str, ...] = ()


def choose(
    leader: Leader,
    candidates: Sequence[Candidate],
    limits: Limits,
    wanted: str = "",
    accept_loss: AcceptLoss = None,
) -> Choice:
    """The member to promote. The same question has the same answer, in whatever order the members come."""
    refusals: dict[str, str] = {}
    drain: list[str] = []
    fit: list[tuple[Candidate, Loss]] = []
    for candidate in sorted(candidates, key=lambda one: one.name):
        loss = loss_of(leader, candidate)
        if wanted and candidate.name != wanted:
            refusals[candidate.name] = f"{wanted} was requested instead of {candidate.name}"
        elif unfit := why_not(leader, candidate, limits):
            refusals[candidate.name] = unfit
        else:
            if loss not in NONE and candidate.can_drain:
                drain.append(candidate.name)
            if dear := _too_dear(leader, candidate, loss, limits, accept_loss):
                refusals[candidate.name] = dear
            else:
                fit.append((candidate, loss))
    if not fit:
        why = (
            f"{wanted} is not a standby of this database"
            if wanted and wanted not in refusals
            else "no standby may take over"
        )
        return Choice("", why, refusals, drain=tuple(drain))
    best, loss = min(fit, key=lambda one: _rank(leader, *one))
    if loss in NONE:
        why = f"{best.name} has every acknowledged write: {loss.rests_on}"
        return Choice(best.name, why, refusals, True, 0, 0.0, best.has)
    why = f"{best.name} is the most advanced eligible standby; its promotion may lose {loss}"
    return Choice(best.name, why, refusals, False, loss.bytes, loss.seconds, best.has, tuple(drain))


def loss_of(leader: Leader, candidate: Candidate) -> Loss:
    """What is lost if this one takes over; NOTHING itself when the record proves that it lacks none."""
    if candidate.unfollowed and candidate.has is not None and all(look.lsn <= candidate.has for look in leader.looks):
        return HANDED_BACK
    if leader.timeline_id is None or candidate.timeline_id is None:
        return Loss(None, None, "whether both are on one timeline is not known")
    if leader.timeline_id != candidate.timeline_id:
        theirs, ours = candidate.timeline_id, leader.timeline_id
        return Loss(
            None, None, f"{candidate.name} is on timeline {theirs}: WAL since the fork from timeline {ours} is missing"
        )
    if leader.cant_lose is True and candidate.required:
        return NOTHING
    return bound(leader.looks, candidate.has)


def why_not(leader: Leader, candidate: Candidate, limits: Limits) -> str:
    """Why it can't be promoted at all, whatever anybody accepts."""
    if candidate.server_state not in FIT_SERVER:
        return f"the server of {candidate.name} is {candidate.server_state}"
    if candidate.state not in FIT:
        return f"{candidate.name} is {candidate.state}"
    if candidate.reachable is not True:
        return f"{candidate.name} {'does not answer' if candidate.reachable is False else 'has not been asked yet'}"
    if candidate.former:
        return ""
    if candidate.in_recovery is not True:
        return f"{candidate.name} {'accepts writes already' if candidate.in_recovery is False else 'may be no standby'}"
    if candidate.short_of:
        return f"{candidate.name} can't be promoted: its settings are below its leader's, {candidate.short_of}"
    if candidate.replay_paused is True:
        return f"{candidate.name} can't be promoted: replay is paused"
    if not limits.planned:
        return ""
    if candidate.sorts_unlike:
        return f"indexes on text would be wrong on {candidate.name}: its host has {candidate.sorts_unlike}"
    return parted_or_late(leader, candidate, limits)


def parted_or_late(leader: Leader, candidate: Candidate, limits: Limits) -> str:
    """What no planned move may do without: the leader's own history, and little that is still to come. Nobody can
    accept that away: the leader would be stopped, and go on."""
    if candidate.timeline_id is None or candidate.timeline_id != leader.timeline_id:
        return (
            f"{candidate.name} is on timeline {candidate.timeline_id}, its leader on {leader.timeline_id}: rebuild it"
        )
    behind = lsn.ahead(max((look.lsn for look in leader.looks), default=None), candidate.has)
    if behind is None:
        return f"the replication lag of {candidate.name} is not known"
    if behind > limits.max_bytes:
        return (
            f"{candidate.name} is {lsn.size(behind)} behind its leader (limit {lsn.size(limits.max_bytes)}): "
            "it takes over when it has caught up"
        )
    return ""


def _too_dear(leader: Leader, candidate: Candidate, loss: Loss, limits: Limits, accept: AcceptLoss) -> str:
    """Why its loss is more than the plan allows and than a person accepted."""
    if loss in NONE or accept == UNKNOWN:
        return ""
    if isinstance(accept, int) and loss.bytes is not None and loss.bytes <= accept:
        return ""
    if loss.bytes is None or loss.seconds is None:
        return f"promoting {candidate.name} may lose {loss}"
    if leader.cant_lose is True and not candidate.required:
        return f"no commit waited for {candidate.name}: its promotion may lose {loss}"
    if loss.bytes > limits.max_bytes or loss.seconds > limits.max_s:
        allowed = f"{lsn.size(limits.max_bytes)} of {limits.max_s:g} s"
        return f"promoting {candidate.name} may lose {loss}, and the plan allows {allowed}"
    return ""


def _rank(leader: Leader, candidate: Candidate, loss: Loss) -> tuple[int, int, bool, bool, bool, int, str]:
    """Lowest first: data before convenience. Where nothing is lost anyway, the zone and the customer come first."""
    has = candidate.has or 0
    kind = 0 if loss in NONE else 1 if loss.bytes is not None else 2
    retiring = candidate.server_state == states.RETIRING
    # Behind none that was seen, the further one may still have more of what nobody saw.
    return (
        kind,
        -has if kind == 1 else 0,
        candidate.zone == leader.zone,
        candidate.follower,
        retiring,
        -has,
        candidate.name,
    )
