"""Where herdsite has PostgreSQL's programs open a session on a host, found in the scripts themselves, and a shell that
notes which of these it comes to."""

import re
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from fleet.transports.base import Result
from tests.localshell import LocalShell

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "tests" / "golden" / "sessions.txt"
PACKAGES = ("fleet", "incidents", "observations", "herdsite")
# Programs that log in. pg_restore does with -d alone; a server for one user is a session by itself.
PROGRAMS = "psql|pg_dump|pg_dumpall|pg_upgrade|vacuumdb|reindexdb|clusterdb|createdb|dropdb|createuser|dropuser"
PROGRAMS += "|pg_amcheck|pg_basebackup|pg_rewind|pg_receivewal|pg_recvlogical|pgbench|oid2name"
# Functions of the scripts that stand for one of them, and that are called with SQL of the caller's own.
ENTRIES = "superuser|here|far_side|replication"
OPENS = re.compile(
    rf'"\$\{{?\w+\}}?/(?:{PROGRAMS})"(?! --help)|"\$\{{?\w+\}}?/pg_restore"(?=[^|;]* (?:-d|--dbname)\b)'
    rf'|"\$\{{?\w+\}}?/postgres"(?= --single)|(?<![^ (])(?:{ENTRIES})(?= (?:[-<A-Z"\'$]|postgres "))'
)
# Where an entry is defined: whoever calls it is the place as well.
DEFINES = re.compile(rf"^\s*(?:{ENTRIES})\(\)")
# What only asks whether the program is there, and what is not run.
IDLE = re.compile(r"\[ -x |^\s*#")
# One that is named in another way.
NAMED = re.compile(rf"/(?:{PROGRAMS})\b")


@dataclass(frozen=True)
class Place:
    """A session of a script: `line` is what opens it, as written, `before` are the two lines above."""

    path: str
    line: str
    before: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.path}: {self.line}"


def plain(line: str) -> str:
    """A line as it is alike in a module and in the script that the module makes of it."""
    return re.sub(r"[\\{}]", "", line).strip()


def opens(lines: Sequence[str]) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """The sessions in these lines: number, what opens it, the two lines above."""
    for number, line in enumerate(lines):
        if OPENS.search(line) and not IDLE.search(line):
            yield number, plain(line), tuple(plain(above) for above in lines[max(number - 2, 0) : number])


def places() -> list[Place]:
    """Every session that a script of ours opens."""
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for _number, line, before in opens(_strings(path)):
                found.append(Place(str(path.relative_to(ROOT)), line, before))
    return found


def _strings(path: Path) -> list[str]:
    """The lines of a module that lie in strings; the others are empty."""
    lines = path.read_text().splitlines()
    kept = [""] * len(lines)
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type == tokenize.STRING and not token.line.lstrip().startswith(("'''", '"""')):
                for number in range(token.start[0] - 1, token.end[0]):
                    kept[number] = lines[number]
    return kept


def calls() -> list[str]:
    """Every place in our modules that has SQL of its own run on a host, by the superuser or by a deputy."""
    pattern = re.compile(r"(?<!def )\b(run_sql|run_as_deputy)\(")
    return [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        for line in path.read_text().splitlines()
        if pattern.search(line) and not line.lstrip().startswith("def ")
    ]


def unseen() -> list[str]:
    """Lines of scripts that name such a program in a way that `places` does not know."""
    return [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        for line in _strings(path)
        if NAMED.search(line) and not OPENS.search(line) and not IDLE.search(line) and "--help" not in line
    ]


class NotingShell(LocalShell):
    """Notes which places of the scripts that it runs are come to. What is run stays the same."""

    def __init__(self) -> None:
        super().__init__()
        self.known = places()
        self.noted = self.home / "sessions"
        note = f'#!/bin/sh\nprintf "%s\\n" $1 >> {self.noted}\nshift\nexec "$@"\n'
        self.run(["sh", "-c", 'printf %s "$1" > "$2"; chmod +x "$2"', "sh", note, f"{self.home}/note"])

    def run(
        self, argv: Sequence[str], stdin: bytes = b"", timeout: float = 10.0, secrets: Sequence[str] = ()
    ) -> Result:
        marked = [self._marked(word) for word in argv]
        text = stdin.decode(errors="surrogateescape")
        return super().run(marked, self._marked(text).encode(errors="surrogateescape"), timeout, secrets)

    def forget(self) -> None:
        self.noted.unlink(missing_ok=True)

    def came_to(self) -> set[Place]:
        """All places that were come to since `forget`."""
        numbers = set(self.noted.read_text().split()) if self.noted.exists() else set()
        return {self.known[int(number)] for number in numbers}

    def _marked(self, text: str) -> str:
        lines = text.split("\n")
        for number, line, before in opens(lines):
            alike = [place for place in self.known if place.line == line]
            place = next((place for place in alike if place.before == before), alike[0] if alike else None)
            if place:
                entry = DEFINES.search(lines[number]) or (number and DEFINES.search(lines[number - 1]))
                lines[number] = self._noting(lines[number], self.known.index(place), bool(entry))
        return "\n".join(lines)

    def _noting(self, line: str, number: int, entry: bool) -> str:
        """A program is run by the note; a function is told where it is called."""
        caller = " ${noted_at-}" if entry else ""

        def noting(found: re.Match[str]) -> str:
            if found[0].startswith('"'):
                return f'"{self.home}/note" "{number}{caller}" {found[0]}'
            return f"noted_at={number} {found[0]}"

        return OPENS.sub(noting, line)


def listed() -> dict[str, set[str]]:
    """Which tests come to each session, by what the table says (tests/golden/sessions.txt)."""
    found: dict[str, set[str]] = {}
    for part in TABLE.read_text().split("\n\n") if TABLE.exists() else ():
        place, *tests = part.splitlines()
        assert place not in found, f"{place} is there twice"
        found[place] = {test.strip() for test in tests}
    return found


def check(shell: NotingShell, request: pytest.FixtureRequest) -> None:
    """That this test has come to all the sessions of which the table says so. With --write-sessions, write down which
    it came to; what it comes to by chance, or after it has ended, is to be taken out again by hand."""
    test, came, table = request.function.__name__, {str(place) for place in shell.came_to()}, listed()
    if request.config.getoption("write_sessions"):
        for place in map(str, shell.known):
            table.setdefault(place, set()).update({test} & {test for one in came if one == place})
        TABLE.write_text("\n\n".join("\n    ".join((place, *sorted(table[place]))) for place in sorted(table)) + "\n")
    missed = {place for place, tests in table.items() if test in tests} - came
    assert missed == set(), f"{test} comes to these no more"
