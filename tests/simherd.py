"""A herd in arithmetic, for thousands of troubles in seconds: the real tables, evidence and alarms over looks that are
made up, by a clock of the test's own. There is no database and no wire; what a beat leaves on a row is kept here.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fleet import context, policy, ring
from fleet.rules import DO, GO
from fleet.states import AVAILABLE, move
from fleet.subject import INSTANCE, RESOURCE, SERVER, Subject
from herdsite import beat
from observations.record import Look

T0 = datetime(2031, 3, 30, 12, 0, tzinfo=UTC).timestamp()
SQL, SSH = "sql", "ssh"
FELT = (SERVER, INSTANCE, RESOURCE)
BOOT = "boot-0"
_ID = UUID(int=1)


@dataclass
class Member:
    """One thing: its state, and what beats have left on its row."""

    kind: str
    doubt_s: float
    state: str = AVAILABLE
    since: float = T0
    evidence: dict[str, Any] = field(default_factory=dict)
    attrs: dict[str, str] = field(default_factory=lambda: {"boot_id": BOOT})
    watch: dict[str, Any] = field(default_factory=dict)
    known: dict[str, str | None] = field(default_factory=dict)


class Tower:
    """A database, the instance under it, and the server under that. `went` are the states that any of them was in,
    `did` the actions that were wanted, `opened` the alarms that opened."""

    def __init__(self, doubt_s: float) -> None:
        windows = {SERVER: max(policy.SERVER_DOUBT_S, doubt_s), INSTANCE: doubt_s, RESOURCE: doubt_s}
        self.members = {kind: Member(kind, window) for kind, window in windows.items()}
        self.went: set[str] = set()
        self.did: list[str] = []
        self.opened: list[str] = []

    def look(self, kind: str, at: float, vantage: str, through: Callable[[str], bool], sighted: bool) -> beat.Thought:
        """One beat, `at` seconds after the beginning. `through` says whether a wire brings an answer of this thing,
        which is well; `sighted` whether the vantage's place has seen something else well since the doubt began."""
        member, now = self.members[kind], datetime.fromtimestamp(T0 + at, UTC)
        subject = Subject(kind, _ID, kind, member.state, now, known=member.known)
        loaded = context.Loaded(member, subject, None, self._facts(member, T0 + at, sighted), None)
        look = Look(kind, _ID, now, 1.0, False, _attrs(member, through), {})
        thought = beat.ponder(loaded, ring.Claim(_ID, [_ID], now), look, vantage)
        member.evidence, member.watch, member.known = thought.evidence, thought.judged.streaks, thought.known
        self.opened += thought.judged.opened
        if thought.rule.then.kind == GO:
            member.state, member.since = move(kind, thought.rule.then.name).target, T0 + at
        elif thought.rule.then.kind == DO:
            self.did.append(thought.rule.then.name)
        self.went.add(member.state)
        return thought

    def states(self) -> set[str]:
        return {member.state for member in self.members.values()}

    def _facts(self, member: Member, at: float, sighted: bool) -> dict[str, Any]:
        """What our own database tells."""
        return {
            "state": member.state,
            "state_s": at - member.since,
            "tries": 0,
            "doubt_window_s": member.doubt_s,
            "vantage_sees": sighted if "since" in member.evidence else None,
            "server_state": self.members[SERVER].state,
            "instance_state": self.members[INSTANCE].state,
            "members": 1,
            "leaders": 1,
            "role": "leader",
            "members_answer": self.members[INSTANCE].state == AVAILABLE,
            "placed": True,
            "own_instance": True,
        }


def _attrs(member: Member, through: Callable[[str], bool]) -> dict[str, str | None]:
    """What a look brings of something that is well, over the wires by which its kind and state are looked at."""
    attrs: dict[str, str | None] = {}
    if member.kind != SERVER:
        attrs |= {"service_available": "true"} if through(SQL) else {"service_available": "false", "service_why": "no"}
    if member.kind == SERVER or (member.kind == INSTANCE and member.state != AVAILABLE):
        attrs |= {"ssh": "true", "boot_id": BOOT} if through(SSH) else {"ssh": "false", "ssh_why": "no answer"}
        if member.kind == INSTANCE and attrs["ssh"] == "true":
            attrs |= {"postmaster": "true", "data_dir": "true", "job": "none"}
    if member.kind == SERVER:
        attrs |= {"machine": "running", "scheduled_events": ""}
    return attrs
