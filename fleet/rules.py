"""A table is a tuple of Rules; `think` picks the first that is true. That is all the deciding there is.

`check` holds a table against the moves (fleet/states.py), the catalogue of facts and the verbs that exist, so that a
typo is found by `manage.py check` and not by a beat at night.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fleet.conditions import Condition
from fleet.facts import FACTS
from fleet.states import DESTROYED, MOVES, move, states_of

ANY = "*"
GO, DO, NOTHING = "go", "do", "wait"


@dataclass(frozen=True)
class Then:
    """What a row does: `go` a move, `do` an action, or wait. One of them, once."""

    kind: str
    name: str = ""

    def __str__(self) -> str:
        return f'{self.kind}("{self.name}")' if self.name else "WAIT"


def go(name: str) -> Then:
    return Then(GO, name)


def do(name: str) -> Then:
    return Then(DO, name)


WAIT = Then(NOTHING)


@dataclass(frozen=True)
class Rule:
    """Row number, the state or states it is for, when, then, because."""

    row: int
    state: str | tuple[str, ...]
    when: Condition
    then: Then
    because: str

    def covers(self, state: str) -> bool:
        return self.state == ANY or state == self.state or (isinstance(self.state, tuple) and state in self.state)

    @property
    def states(self) -> str:
        return " ".join(self.state) if isinstance(self.state, tuple) else self.state


Table = tuple[Rule, ...]


def tried(table: Table, state: str, facts: Mapping[str, Any]) -> list[tuple[Rule, bool | None]]:
    """The rows for this state in order, each with its verdict, up to and with the one that won."""
    rows = []
    for rule in table:
        if not rule.covers(state):
            continue
        verdict = rule.when(facts)
        rows.append((rule, verdict))
        if verdict is True:
            break
    return rows


def think(table: Table, state: str, facts: Mapping[str, Any]) -> Rule:
    """The first row for this state that is true. Every table ends with one that always is."""
    for rule in table:
        if rule.covers(state) and rule.when(facts) is True:
            return rule
    raise LookupError(f"no row for state {state!r}: the table must end with ANY, always")


def check(kind: str, table: Table, verbs: Iterable[str]) -> list[str]:
    """What is wrong with a table, one sentence each; nothing when it is sound."""
    wrong, verbs, seen = [], set(verbs), set()
    rows = [rule.row for rule in table]
    if rows != sorted(set(rows)):
        wrong.append(f"{kind}: row numbers must rise, each once")
    last = table[-1]
    if not (last.state == ANY and last.when(_NOTHING_KNOWN) is True and last.then == WAIT):
        wrong.append(f"{kind} row {last.row}: the last row must be ANY, always, WAIT")
    for rule in table:
        where = f"{kind} row {rule.row}"
        names = (rule.state,) if isinstance(rule.state, str) else rule.state
        wrong += [f"{where}: {kind} has no state {name!r}" for name in names if name not in (ANY, *states_of(kind))]
        wrong += [f"{where}: no fact is called {name!r}" for name in rule.when.names if name not in FACTS]
        if rule.then.kind == DO and rule.then.name not in verbs:
            wrong.append(f"{where}: there is no action {rule.then.name!r}")
        if rule.then.kind == GO:
            seen.add(rule.then.name)
            starts = states_of(kind) if rule.state == ANY else names
            try:
                wrong += _sources(where, starts, move(kind, rule.then.name).sources)
            except KeyError as error:
                wrong.append(f"{where}: {error.args[0]}")
        if rule.when(_NOTHING_KNOWN) is True and rule.then.kind != NOTHING:
            wrong.append(f"{where}: acts although nothing is known")
    ends = {one.name for one in MOVES[kind] if one.target == DESTROYED}
    wrong += [f"{kind}: no row takes {name!r}" for name in sorted(ends - seen)]
    return wrong


def _sources(where: str, names: Iterable[str], sources: tuple[str, ...]) -> list[str]:
    return [f"{where}: the move does not start from {name!r}" for name in names if name not in sources]


class _Unknown(Mapping[str, Any]):
    """Facts of nothing but None."""

    def __getitem__(self, name: str) -> None:
        return None

    def __iter__(self):
        return iter(())

    def __len__(self) -> int:
        return 0


_NOTHING_KNOWN = _Unknown()
