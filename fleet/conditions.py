"""The words in which the tables say *when*. A condition judges facts and answers True, False or None (not known).

Three-valued throughout (Kleene): `a & b` is False as soon as one is False, `a | b` True as soon as one is True, and
whatever hangs on something unknown is unknown. A table's row wins only on True, so ignorance never acts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Verdict = bool | None


@dataclass(frozen=True)
class Condition:
    """`text` is how the row reads to a person, `names` the facts it looks at."""

    text: str
    names: tuple[str, ...]
    judge: Callable[[Mapping[str, Any]], Verdict]

    def __call__(self, facts: Mapping[str, Any]) -> Verdict:
        return self.judge(facts)

    def __and__(self, other: "Condition") -> "Condition":
        return Condition(f"{self} & {other}", _both(self, other), lambda f: _and(self(f), other(f)))

    def __or__(self, other: "Condition") -> "Condition":
        return Condition(f"({self} | {other})", _both(self, other), lambda f: _not(_and(_not(self(f)), _not(other(f)))))

    def __invert__(self) -> "Condition":
        text = f"not ({self})" if " & " in self.text else f"not {self}"
        return Condition(text, self.names, lambda f: _not(self(f)))

    def __str__(self) -> str:
        return self.text


def _both(one: Condition, other: Condition) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*one.names, *other.names)))


def _not(verdict: Verdict) -> Verdict:
    return None if verdict is None else not verdict


def _and(one: Verdict, other: Verdict) -> Verdict:
    if one is False or other is False:
        return False
    return None if one is None or other is None else True


def _of(text: str, name: str, test: Callable[[Any], bool]) -> Condition:
    def judge(facts: Mapping[str, Any]) -> Verdict:
        value = facts[name]
        return None if value is None else test(value)

    return Condition(text, (name,), judge)


def yes(name: str) -> Condition:
    return _of(f"yes({name})", name, lambda value: value is True)


def no(name: str) -> Condition:
    return _of(f"no({name})", name, lambda value: value is False)


def over(name: str, limit: float) -> Condition:
    return _of(f"{name} > {limit:g}", name, lambda value: value > limit)


def under(name: str, limit: float) -> Condition:
    return _of(f"{name} < {limit:g}", name, lambda value: value < limit)


def is_(name: str, *words: str) -> Condition:
    """The fact is one of the words."""
    return _of(f"{name} is {' or '.join(words)}", name, lambda value: value in words)


def reached(name: str, other: str) -> Condition:
    """One measured fact has come up to another."""

    def judge(facts: Mapping[str, Any]) -> Verdict:
        one, limit = facts[name], facts[other]
        return None if one is None or limit is None else one >= limit

    return Condition(f"{name} >= {other}", (name, other), judge)


def paced(pauses: Sequence[float]) -> Condition:
    """What failed may be tried again: there is a pause for that many tries, and it is over (s in this state)."""

    def judge(facts: Mapping[str, Any]) -> Verdict:
        tries, since = facts["tries"], facts["state_s"]
        if tries is None:
            return None
        return tries < len(pauses) and (since is None or since >= pauses[tries])

    waits = ", then ".join(f"{pause:g} s" for pause in pauses[1:])
    return Condition(f"tries < {len(pauses)}, and {waits} in this state", ("tries", "state_s"), judge)


def said(name: str) -> Condition:
    """The word is not empty."""
    return named(f"{name} is not empty", ~is_(name, ""))


def heard() -> Condition:
    """A standby heard from it within the doubt window. Nobody having told so is no such word; where the window is not
    known, nothing is."""

    def judge(facts: Mapping[str, Any]) -> Verdict:
        ago, window = facts["heard_s"], facts["doubt_window_s"]
        return None if window is None else ago is not None and ago < window

    return Condition("a standby heard from it within the doubt window", ("heard_s", "doubt_window_s"), judge)


def named(text: str, condition: Condition) -> Condition:
    """The same condition under a name of its own, for the tables and for `explain`."""
    return Condition(text, condition.names, condition.judge)


def asked(verb: str) -> Condition:
    """Somebody asked for it. Nobody having asked is known, and so it is False, not unknown."""
    return Condition(f"asked({verb})", ("asked",), lambda facts: facts["asked"] == verb)


always = Condition("always", (), lambda _facts: True)
