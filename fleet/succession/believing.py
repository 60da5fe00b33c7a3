"""The leader that the hosts of a database show, where herdsite's own records are older: an earlier state of its
database was restored, and only the hosts know what changeovers have done since. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

WAITS, LEADS, REFUSED = "waits", "leads", "refused"


@dataclass(frozen=True)
class Word:
    """The last look at an instance: `young`, that it is younger than the request; `writes`, that it answered and
    is not in recovery (None: it did not answer); `newer`, that its host has taken an order which the records don't
    know."""

    name: str
    young: bool
    writes: bool | None
    newer: bool


@dataclass(frozen=True)
class Belief:
    """`says` is WAITS, LEADS (`leader` is to be recorded) or REFUSED (`why` says why, and what to do)."""

    says: str
    leader: str = ""
    why: str = ""


def judge(words: Sequence[Word], named: str = "", force: bool = False) -> Belief:
    """The leader to record. `named` is named by a person, who knows of instances that don't answer; with `force` that
    one leads although another accepts writes, or although it accepts none itself."""
    if not all(word.young for word in words):
        return Belief(WAITS)
    if not any(word.newer for word in words):
        return _refused("No host has taken a newer order than herdsite's records know: ask for a failover instead")
    leaders = [word.name for word in words if word.writes]
    silent = [word.name for word in words if word.writes is None and word.name not in leaders]
    if named:
        if named not in (word.name for word in words):
            return _refused(f"{named} is none of its instances: {_listed([word.name for word in words])}")
        if leaders == [named] or force:
            return Belief(LEADS, named)
        shown = f"{_listed(leaders)} accepts writes" if leaders else f"{named} does not accept writes"
        return _refused(f"{shown}: what {named} lacks would be lost. Name another, or force it")
    if len(leaders) > 1:
        return _refused(f"{_listed(leaders)} accept writes: name the one that leads, and force it")
    if not leaders:
        return _refused("No instance accepts writes: name the next leader, and force it")
    if silent:
        return _refused(f"{_listed(silent)} did not answer and may have led since: bring it back, or name {leaders[0]}")
    return Belief(LEADS, leaders[0])


def _refused(why: str) -> Belief:
    return Belief(REFUSED, why=why)


def _listed(names: Sequence[str]) -> str:
    return " and ".join(names)
