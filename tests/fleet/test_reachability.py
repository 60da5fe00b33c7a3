"""Every state has a way out: breadth first over all that a changeover and the instances around it can come to, with the
tables as they are and each action as a small relation. Whatever host is gone for good, and at whatever step, a leader
is found by beats and the verbs of a person, as long as one complete member is up. A table that lacks the row that leads
out of a dead end is found out.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from fleet.facts import Facts
from fleet.rules import DO, GO, Table, think
from fleet.states import (
    CANCELLED,
    DONE,
    FENCING,
    NEEDS_HUMAN,
    PLANNED,
    PREPARING,
    WAITING_FOR_WINDOW,
    move,
)
from fleet.think import LIFE, instance
from tests.worlds import NOW

CHANGEOVER = LIFE["changeover"]
VERBS = (None, "cancel", "retry")
EARLY = (PLANNED, WAITING_FOR_WINDOW, PREPARING)


@dataclass(frozen=True)
class Node:
    """A changeover from O to A, both of which have everything; what was done to them, and what was seen of it.

    `old`, `new`: the host answers. `runs`: O's PostgreSQL does; `leads`: A's does, as a leader. `marked`: the fence
    mark lies on O. `handed`: our records have A lead. `built`: A is there. `open`: the window. `tried`: tries ran
    out. `recovers`: O leads by our records and was never promoted."""

    state: str = PLANNED
    planned: bool = True
    upgrades: bool = False
    asked: str | None = None
    old: bool = True
    new: bool = True
    runs: bool = True
    leads: bool = False
    marked: bool = False
    handed: bool = False
    built: bool = True
    open: bool = True
    ready: bool = False
    paused: bool = False
    proven: bool = False
    promoted: bool = False
    repointed: bool = False
    refused: bool = False
    rolled_back: bool = False
    lost: bool = False
    tried: bool = False
    recovers: bool = False
    job: str = "none"

    @property
    def over(self) -> bool:
        return self.state in (DONE, CANCELLED)

    @property
    def well(self) -> bool:
        """Over, and whoever leads by our records leads, where somebody can be reached who may."""
        return self.over and (self.new and self.leads if self.handed else self.old and self.runs)


def facts(node: Node) -> Facts:
    known = {name: getattr(node, name) for name in ("planned", "upgrades", "ready", "proven", "promoted", "repointed")}
    known |= {name: getattr(node, name) for name in ("refused", "rolled_back", "lost", "asked", "job")}
    return Facts(
        NOW,
        known
        | {
            "placed": True,
            "window_open": node.open,
            "handed_over": node.handed,
            "tries": 21 if node.tried else 0,
            "instance_state": "available" if node.old and node.runs and not node.handed else "down",
            "target_state": "available" if node.built else "creating",
            "server_state": "available" if node.new else "down",
            "job": node.job if node.new else None,
            "state_s": 60.0,
        },
    )


def beat(table: Table, node: Node) -> Iterator[Node]:
    """All that a beat of the changeover may leave behind."""
    rule = think(table, node.state, facts(node))
    if rule.then.kind == GO:
        target = move("changeover", rule.then.name).target
        answered = None if target in (DONE, CANCELLED) else node.asked
        yield replace(
            node, state=target, refused=False, rolled_back=False, lost=False, tried=False, asked=answered, job="none"
        )
    elif rule.then.kind == DO:
        yield from ACTIONS[rule.then.name](node)
    yield from world(node)


def world(node: Node) -> Iterator[Node]:
    """What happens without us: windows open, copies and jobs end, the instance's own table acts, and once in a
    changeover's life a host is lost for good."""
    if not node.open:
        yield replace(node, open=True)
    if not node.built and node.new:
        yield replace(node, built=True)
    if node.job == "running" and node.new:
        yield replace(node, job="done")
        yield replace(node, job="failed")
    yield from host_of(node)


def host_of(node: Node) -> Iterator[Node]:
    """The rows of O's and A's own tables, once nobody moves them."""
    if not node.over:
        return
    at_rest = {"outdated": node.handed, "ssh": True, "postmaster": False, "service_available": False, "job": "none"}
    old = {"role": "leader", "stray_mark": node.marked and not node.handed, "hasty": True, "planned": False}
    standing = {"role": "leader", "outdated": False, "in_recovery": True, "moving": False, "service_available": True}
    promotes = think(instance.LIFE, "available", Facts(NOW, standing)).then.name == "promote"
    if node.old and not node.runs and not node.handed and node.recovers and not node.marked:
        if promotes:
            yield replace(node, runs=True, recovers=False)
    elif node.old and not node.runs and not node.handed:
        then = think(instance.LIFE, "down", Facts(NOW, at_rest | old | {"proven_silent": False})).then.name
        if then == "unfence" or (then == "start" and not node.marked):
            yield replace(node, runs=True, marked=False)
    if node.new and node.handed and not node.leads and promotes:
        yield replace(node, leads=True)


def failed(node: Node) -> Iterator[Node]:
    """The action raised: it is tried again, and at some time that was too often."""
    if not node.tried:
        yield replace(node, tried=True)


def prepare(node: Node) -> Iterator[Node]:
    if node.new and node.built and (node.old or not node.planned):
        yield replace(node, ready=True)
    if node.old or not node.planned:
        yield replace(node, refused=True)
    yield from failed(node)


def fence(node: Node) -> Iterator[Node]:
    if node.planned:
        stopped = replace(node, paused=True, marked=node.old or node.marked, runs=node.runs and not node.old)
        if node.old:
            yield replace(stopped, proven=True)
        # Its answer was lost, or it would not stop.
        yield replace(stopped, refused=True)
        yield replace(node, paused=True, refused=True)
        return
    if node.old:
        yield replace(node, paused=True, marked=True, runs=False, proven=True)
        yield replace(node, paused=True, marked=True, runs=False, refused=True)
    else:
        yield replace(node, paused=True, proven=True)
    yield replace(node, refused=True)
    yield from failed(node)


def upgrade(node: Node) -> Iterator[Node]:
    if node.new:
        yield replace(node, job="running")
    yield from failed(node)


def promote(node: Node) -> Iterator[Node]:
    """The records first; then the host, whose answer may be lost."""
    handed = replace(node, handed=True, runs=node.runs and not node.old)
    if node.new:
        yield replace(handed, leads=True, promoted=True)
        yield replace(handed, leads=True, tried=True)
    yield replace(handed, tried=True)
    yield from failed(node)


def repoint(node: Node) -> Iterator[Node]:
    yield replace(node, repointed=True)
    yield from failed(node)


def roll_back(node: Node) -> Iterator[Node]:
    asked = None if node.asked == "cancel" else node.asked
    if not node.paused:
        yield replace(node, rolled_back=True, asked=asked)
    elif node.old:
        yield replace(node, rolled_back=True, marked=False, runs=not node.recovers, asked=asked)
    elif node.planned:
        yield replace(node, lost=True)
    else:
        yield replace(node, rolled_back=True, asked=asked)
    yield from failed(node)


def fail_over(node: Node) -> Iterator[Node]:
    yield from superseded(node)


def answer(node: Node) -> Iterator[Node]:
    yield replace(node, asked=None)


ACTIONS = {
    "prepare": prepare,
    "fence": fence,
    "upgrade": upgrade,
    "promote": promote,
    "repoint": repoint,
    "roll_back": roll_back,
    "fail_over": fail_over,
    "fulfil": answer,
    "refuse": answer,
}


def superseded(node: Node) -> Iterator[Node]:
    """A failover in its place, from whoever leads by our records to the other one, which has everything."""
    if not node.handed:
        yield Node(
            PREPARING, False, old=node.old, new=node.new, runs=node.runs, marked=node.marked, recovers=node.recovers
        )
    else:
        yield Node(PREPARING, False, old=node.new, new=node.old, runs=node.leads, marked=False, built=True)


def people(node: Node) -> Iterator[Node]:
    """What a person may do: a verb of the changeover, or a failover."""
    if not node.over and node.asked is None:
        yield from (replace(node, asked=verb) for verb in VERBS[1:])
    if node.over or gives_way(node):
        yield from superseded(node)


def gives_way(node: Node) -> bool:
    """As changing._gives_way has it for one who forces it; tests/fleet/test_ways_out.py goes through the real one."""
    if node.handed or node.state in (*EARLY, NEEDS_HUMAN):
        return True
    return node.state == FENCING and not node.proven


def starts() -> Iterator[Node]:
    for state, upgrades, planned in ((PLANNED, False, True), (PLANNED, True, True), (PREPARING, False, False)):
        yield Node(state, planned, upgrades, open=False, built=not upgrades)


def lose(node: Node) -> Iterator[Node]:
    """One of the two hosts is gone for good, with all that runs on it."""
    if node.old and node.new:
        yield replace(node, old=False, runs=False)
        yield replace(node, new=False, leads=False)


def explore(table: Table) -> dict[Node, set[Node]]:
    """Everything that can be come to, each with what may follow by beats, by people, and by misfortune."""
    seen: dict[Node, set[Node]] = {}
    todo = list(starts())
    while todo:
        node = todo.pop()
        if node in seen:
            continue
        seen[node] = {*beat(table, node), *people(node), *lose(node)}
        todo += seen[node]
    return seen


def dead_ends(table: Table) -> list[Node]:
    """Where no beat and no verb leads to a leader although a complete member is up. A host that comes back, or another
    loss, is no way out, nor is a window or a copy: that may be days."""
    seen = explore(table)
    lost = {node: {*lose(node), replace(node, open=True), replace(node, built=True)} - {node} for node in seen}
    back: dict[Node, set[Node]] = {node: set() for node in seen}
    for node, after in seen.items():
        for one in after - lost[node]:
            back[one].add(node)
    found, todo = set(), [node for node in seen if node.well]
    while todo:
        node = todo.pop()
        if node not in found:
            found.add(node)
            todo += back[node]
    return [node for node in seen if node not in found and (node.old or node.new)]


def held(table: Table) -> list[Node]:
    """Where beats alone never end it nor call a person: the same is tried again and again for ever. What is planned and
    has done nothing yet may wait: its leader serves, protected, and a failover takes its place."""
    seen = explore(table)
    resting = {
        node for node in seen if node.over or node.state == NEEDS_HUMAN or (node.planned and node.state in EARLY)
    }
    back: dict[Node, set[Node]] = {node: set() for node in seen}
    for node in seen:
        for after in beat(table, node):
            back[after].add(node)
    todo = list(resting)
    found: set[Node] = set()
    while todo:
        node = todo.pop()
        if node not in found:
            found.add(node)
            todo += back[node]
    return [node for node in seen if node not in found]


def test_every_step_of_a_changeover_leads_to_a_leader_whatever_host_is_lost() -> None:
    assert len(explore(CHANGEOVER)) > 1000
    assert dead_ends(CHANGEOVER) == []


def test_beats_alone_end_a_changeover_or_call_a_person() -> None:
    assert held(CHANGEOVER) == []


def without(row: int) -> Table:
    assert any(rule.row == row for rule in CHANGEOVER)
    return tuple(rule for rule in CHANGEOVER if rule.row != row)


@pytest.mark.parametrize("row", [112, 125, 303, 497, 501])
def test_a_table_without_the_row_that_leads_out_is_found_out(row: int) -> None:
    assert held(without(row)) or dead_ends(without(row))


@pytest.mark.parametrize("row", [403, 505, 603])
def test_a_table_that_does_not_go_on_is_found_out(row: int) -> None:
    assert held(without(row))


def test_what_gives_way_to_no_failover_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for its window or builds a copy, while its leader is lost."""
    monkeypatch.setattr(sys.modules[__name__], "VERBS", (None,))
    monkeypatch.setattr(sys.modules[__name__], "gives_way", lambda node: node.state == NEEDS_HUMAN)
    found = {node.state for node in dead_ends(CHANGEOVER)}
    assert {PREPARING, WAITING_FOR_WINDOW} <= found


def test_leadership_that_can_not_be_handed_back_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    real = superseded
    monkeypatch.setattr(sys.modules[__name__], "superseded", lambda node: () if node.handed else real(node))
    assert any(node.handed and node.old and not node.new for node in dead_ends(CHANGEOVER))


@pytest.mark.parametrize("row", [318])
def test_an_instance_table_that_leaves_what_a_changeover_left_is_found_out(
    monkeypatch: pytest.MonkeyPatch, row: int
) -> None:
    """A fence mark that nobody owns, and one that leads by our records alone: a failover might help, if another one
    were there."""
    monkeypatch.setattr(instance, "LIFE", tuple(rule for rule in instance.LIFE if rule.row != row))
    assert dead_ends(CHANGEOVER)
