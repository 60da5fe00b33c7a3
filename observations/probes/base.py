"""What a probe is, which of them are due, and how all that go over one wire become one question and one answer.

Pure: feel.py carries the questions out. A probe says what to ask of a subject and turns the answer into attributes;
an attribute it can't find out is None, never left to be guessed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fleet.facts import text
from fleet.postgres.statements import statement
from fleet.subject import Subject
from fleet.transports.base import Row

SHELL, SQL, PROVIDER, DOOR = "shell", "sql", "provider", "door"


@dataclass(frozen=True)
class Answer:
    """What came back: rows (SQL), a dict of text (SHELL) or a Machine (PROVIDER); when it was asked (epoch, s) by our
    clock, and how long it took (s)."""

    said: Any
    subject: Subject
    asked_at: float
    took_s: float


@dataclass(frozen=True)
class Probe:
    """One row of the table (table.py): a look at a `kind` of thing `over` one wire, `every` so many seconds (0: each
    beat), that should take no longer than `timeout` seconds and `fills` these attributes.

    `ask` gives the question: a statement (SQL), a script (SHELL: POSIX sh that prints NAME=VALUE lines and finds $home,
    $data and $job set), a machine's name (PROVIDER), nothing (DOOR: a new login). `states`, when given, are the only
    ones in which it is asked; `with_job` asks it in any other state too while the subject has a job.
    """

    name: str
    kind: str
    over: str
    every: float
    timeout: float
    fills: tuple[str, ...]
    ask: Callable[[Subject], str]
    read: Callable[[Answer], dict[str, str | None]]
    states: tuple[str, ...] | None = None
    with_job: bool = False

    def applies(self, subject: Subject) -> bool:
        """Whether it is for this kind of thing in this state."""
        fits = self.states is None or subject.state in self.states or (self.with_job and bool(subject.job))
        return self.kind == subject.kind and fits


def due(table: Sequence[Probe], subject: Subject, now: float, forced: bool = False) -> list[Probe]:
    """The probes of `table` that this beat should make, `now` being the time (epoch, s); `forced` asks all that apply.

    A beat never comes to the second: a probe is due at the beat that is nearest to its time.
    """
    return [probe for probe in table if probe.applies(subject) and (forced or _is_due(probe, subject, now))]


def _is_due(probe: Probe, subject: Subject, now: float) -> bool:
    slack = min(probe.every, subject.interval_s) / 2
    return not probe.every or now - subject.probed.get(probe.name, 0.0) >= probe.every - slack


def timeout(probes: Sequence[Probe]) -> float:
    """How long one look may take (s) that makes all of them."""
    return max((probe.timeout for probe in probes), default=0.0)


def sql_question(probes: Sequence[Probe], subject: Subject) -> list[str]:
    """The statements of all the SQL probes, for one `Sql.fetch`."""
    return [probe.ask(subject) for probe in probes]


def sql_answers(probes: Sequence[Probe], rows: Sequence[Sequence[Row]]) -> dict[str, Any]:
    """By probe, the rows that `Sql.fetch` brought."""
    return {probe.name: result for probe, result in zip(probes, rows, strict=True)}


def shell_question(probes: Sequence[Probe], subject: Subject) -> list[str]:
    """One command that asks all the SHELL probes, for one `Shell.run`. One that fails spoils no other."""
    parts = [f"echo '=== {probe.name}'\n(\n{probe.ask(subject)}\n)" for probe in probes]
    whole = "\n".join(["home=$1 data=$2 job=$3", "export LC_ALL=C", *parts, "true"])
    return ["sh", "-c", whole, "herdsite", subject.home, subject.data, subject.job]


def shell_answers(probes: Sequence[Probe], out: str) -> dict[str, Any]:
    """By probe, the names and values that it printed; what is no NAME=VALUE line is passed over."""
    answers: dict[str, Any] = {probe.name: {} for probe in probes}
    section: dict[str, str] = {}
    for line in out.split("\n"):
        name, equals, value = line.partition("=")
        if line.startswith("=== "):
            section = answers.get(line[4:], {})
        elif equals:
            section[name] = value
    return answers


def read_all(
    probes: Sequence[Probe], answers: Mapping[str, Any], subject: Subject, asked_at: float, took_s: float
) -> dict[str, str | None]:
    """The attributes that all these probes fill, by name. What a probe should have told and did not is None."""
    attrs: dict[str, str | None] = {}
    for probe in probes:
        told = probe.read(Answer(answers[probe.name], subject, asked_at, took_s))
        attrs |= {name: told.get(name) for name in probe.fills}
    return attrs


def sql(name: str) -> Callable[[Subject], str]:
    """`ask` of a SQL probe: the statement of that name, in the variant for the subject's version of PostgreSQL."""

    def ask(subject: Subject) -> str:
        version = subject.known.get("version") or ""
        return statement(name, subject.major or (int(version) // 10000 if version.isdigit() else 0))

    return ask


def script(fragment: str) -> Callable[[Subject], str]:
    """`ask` of a SHELL probe: the same script for every subject."""
    return lambda _subject: fragment


def first_row(answer: Answer) -> dict[str, str | None]:
    """`read` of a SQL probe whose statement names its columns as the attributes are named."""
    return {name: text(value) for row in answer.said[:1] for name, value in row.items()}


def lines(answer: Answer) -> dict[str, str | None]:
    """`read` of a SHELL probe that prints the attributes themselves; an empty value is not known."""
    return {name: value or None for name, value in answer.said.items()}
