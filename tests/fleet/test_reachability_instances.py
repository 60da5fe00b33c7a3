"""Every state of an instance has a way out, too: breadth first over all that one comes to while it is built, serves, is
restarted and is destroyed, with its table as it is and each action as a small relation. Its host answers throughout;
its PostgreSQL may end in any moment, before somebody has looked as well. A table that lacks the row that leads out is
found out.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from fleet.facts import Facts
from fleet.rules import DO, GO, Table, think
from fleet.states import AVAILABLE, CREATING, DESTROYED, DESTROYING, DOWN, STOPPED, UNCERTAIN, move
from fleet.think import LIFE
from tests.worlds import NOW

INSTANCE = LIFE["instance"]
MOST_TRIES = 3
# What a person may ask for, by the state in which that may help.
VERBS = {CREATING: ("retry",), DESTROYING: ("retry",), STOPPED: ("start",), DOWN: ("start", "restart")}
SERVES = (AVAILABLE, UNCERTAIN, DOWN)


@dataclass(frozen=True)
class Node:
    """An instance and its host. `leads`: our records say so; `recovers`: it was never promoted. `hasty`: its plan waits
    for nobody. `runs`: its postmaster does; `data`: its directory is there. `job` is of the step it is in, and
    `does` what that does."""

    state: str = CREATING
    leads: bool = True
    hasty: bool = True
    recovers: bool = False
    runs: bool = False
    data: bool = False
    job: str = "none"
    does: str = ""
    tries: int = 0
    asked: str | None = None

    @property
    def well(self) -> bool:
        """It is what it is to be: gone, or serving and answering."""
        if self.state == DESTROYED:
            return not self.data
        return self.state == AVAILABLE and self.runs and not (self.leads and self.recovers)


def facts(node: Node) -> Facts:
    known = {name: getattr(node, name) for name in ("job", "tries", "asked", "hasty")}
    return Facts(
        NOW,
        known
        | dict.fromkeys(
            ("outdated", "moving", "planned", "proven_silent", "upgrading", "stray_mark", "awaits_wal"), False
        )
        | {
            "ssh": True,
            "postmaster": node.runs,
            "service_available": node.runs,
            "data_dir": node.data,
            "role": "leader" if node.leads else "standby",
            "members": int(node.leads),
            "in_recovery": node.recovers,
            "configured": True,
            "quorum_step": "nothing",
            "changeover": "none",
            "server_state": "available",
            "upstream_state": "available",
            "rebooted": False,
            "short_of": "",
            "state_s": 3600.0,
        },
    )


def beat(table: Table, node: Node) -> Iterator[Node]:
    """What a beat leaves behind."""
    rule = think(table, node.state, facts(node))
    if rule.then.kind == GO:
        state = move("instance", rule.then.name).target
        asked = None if state in (AVAILABLE, DESTROYING, DESTROYED) else node.asked
        yield replace(node, state=state, job="none", does="", tries=0, asked=asked)
    elif rule.then.kind == DO:
        yield from ACTIONS[rule.then.name](node)


def begin(does: str, node: Node) -> Iterator[Node]:
    asked = None if node.asked == "retry" else node.asked
    yield replace(node, job="running", does=does, tries=min(MOST_TRIES, node.tries + 1), asked=asked)


def answer(node: Node) -> Iterator[Node]:
    yield replace(node, asked=None, job="none", does="")


ACTIONS = {
    **{name: lambda node: begin("start", node) for name in ("build", "rebuild", "start", "restart")},
    **{name: lambda node: begin("destroy", node) for name in ("destroy", "destroy_again")},
    "promote": lambda node: iter([replace(node, recovers=False)]),
    "fulfil": answer,
    "refuse": answer,
}


def world(node: Node) -> Iterator[Node]:
    """A job comes to its end; its host loses it; and one that nobody reckons with puts the data back."""
    if node.job == "running":
        up = node.does == "start"
        yield replace(node, job="done", runs=up, data=up)
        yield replace(node, job="failed")
        yield replace(node, job="lost")


def misfortune(node: Node) -> Iterator[Node]:
    """Its postmaster ends; a job of before, which was under way, ends after the one that removed the data."""
    if node.runs:
        yield replace(node, runs=False)
    if node.state == DESTROYING and node.job == "done" and not node.data:
        yield replace(node, runs=True, data=True)


def people(node: Node) -> Iterator[Node]:
    """Whoever asks for something begins a step of its own; who tries again means the one that failed."""
    if node.asked is None:
        for verb in VERBS.get(node.state, ()):
            yield replace(node, asked=verb, job=node.job if verb == "retry" else "none", does=node.does)


def starts() -> Iterator[Node]:
    for leads in (True, False):
        for hasty in (True, False):
            yield Node(leads=leads, hasty=hasty, recovers=not leads)
            yield Node(DESTROYING, leads=False, hasty=hasty, recovers=True, runs=True, data=True)
    # Its changeover was cut off after our records had named it.
    yield Node(AVAILABLE, recovers=True, runs=True, data=True)


def explore(table: Table) -> dict[Node, set[Node]]:
    """Everything that is come to, each with what may follow by beats, people and time."""
    seen: dict[Node, set[Node]] = {}
    todo = list(starts())
    while todo:
        node = todo.pop()
        if node not in seen:
            seen[node] = {*beat(table, node), *world(node), *people(node)}
            todo += [*seen[node], *misfortune(node)]
    return seen


def dead_ends(table: Table) -> list[Node]:
    """Where nothing leads on to what it is to be."""
    seen = explore(table)
    back: dict[Node, set[Node]] = {node: set() for node in seen}
    for node, after in seen.items():
        for one in after:
            back[one].add(node)
    found, todo = set(), [node for node in seen if node.well]
    while todo:
        node = todo.pop()
        if node not in found:
            found.add(node)
            todo += back[node]
    return [node for node in seen if node not in found]


def test_an_instance_comes_to_serve_or_goes_whatever_ends_on_the_way() -> None:
    assert len(explore(INSTANCE)) > 100
    assert dead_ends(INSTANCE) == []


@pytest.mark.parametrize(
    "rows",
    [(201,), (211,), (213,), (304,), (313,), (603,), (607,), (609, 611), (207,)],
    ids=lambda rows: "+".join(map(str, rows)),
)
def test_an_instance_table_without_the_row_that_leads_out_is_found_out(rows: tuple[int, ...]) -> None:
    assert set(rows) <= {rule.row for rule in INSTANCE}
    assert dead_ends(tuple(rule for rule in INSTANCE if rule.row not in rows))


def test_where_a_build_ended_before_it_was_seen_to_answer_is_found_out() -> None:
    without = tuple(rule for rule in INSTANCE if rule.row != 213)
    assert {(node.state, node.job, node.runs) for node in dead_ends(without)} == {(CREATING, "done", False)}
