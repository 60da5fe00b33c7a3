"""Every text that a person meets is plain English: subject first, standard terms, no private words (docs/glossary.md).

The texts are gathered by reflection from the tables and commands, and by reading the sources: whatever literal of the
shipped code has two words or more is a text, unless it is SQL, a script, a pattern or a docstring nobody prints.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

from fleet.addon.life import LIFE as ADDON_LIFE
from fleet.facts import FACTS
from fleet.states import MOVES, STATES
from fleet.think import LIFE
from incidents.life import LIFE as INCIDENT_LIFE
from incidents.ourselves import FAILINGS
from incidents.resolvers import RESOLVERS
from incidents.watch import ALARMS

ROOT = Path(__file__).parents[1]
SHIPPED = ("fleet", "incidents", "observations", "herdsite")
TABLES = ("fleet/think", "fleet/addon/life.py", "incidents/life.py", "incidents/watch.py")
GLOSSARY = ROOT / "docs" / "glossary.md"
# A sentence that begins so has no subject that a reader could name.
PRONOUNS = (
    *("it", "its", "they", "them", "their", "he", "she", "his", "her", "we", "us", "ours", "one(?! of)"),
    *("whoever", "whom", "whose", "who", "nobody", "somebody", "someone", "everybody", "anybody", "theirs"),
)
_PRONOUN = re.compile(
    rf"({'|'.join(PRONOUNS)}|(this|that|these|those) (is|are|was|were|has|have|can|will|may|that|who|which|of))\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_CODE = re.compile(r"\b(SELECT|UPDATE|INSERT|CREATE|ALTER|DELETE|GRANT|SET|RESET)\b|#!|\$\{?\w|^\W*\^|\\[dwsb]|^--?\w")


@dataclass(frozen=True)
class Text:
    """What is said, and where."""

    where: str
    words: str


def unused() -> list[str]:
    """The words and phrases of the glossary's second table, which nothing shown to a person has."""
    _, rows = GLOSSARY.read_text().split("## Words that are not used", 1)
    return [re.split(r"\s*\|\s*", row)[1] for row in rows.splitlines() if row.startswith("| ")][1:]


def test_the_glossary_lists_what_is_not_used() -> None:
    assert len(unused()) > 20 and all(phrase == phrase.strip() and phrase for phrase in unused())


def table_texts() -> Iterator[Text]:
    """The reason of each row of each table that decides, and what each alarm is about."""
    for kind, table in (LIFE | {"incident": INCIDENT_LIFE}).items():
        yield from (Text(f"{kind} row {rule.row}", rule.because) for rule in table)
    yield from (Text(f"add-on row {row.row}", row.because) for row in ADDON_LIFE)
    yield from (Text(f"alarm {alarm.type}", alarm.because) for alarm in ALARMS)
    yield from (Text(f"failing {failing.type}", failing.because) for failing in FAILINGS.values())


def condition_texts() -> Iterator[Text]:
    """What a row says of its facts: the text of its condition, and what each fact means."""
    for kind, table in (LIFE | {"incident": INCIDENT_LIFE}).items():
        yield from (Text(f"{kind} row {rule.row}, when", str(rule.when)) for rule in table)
    yield from (Text(f"alarm {alarm.type}, when", str(alarm.when)) for alarm in ALARMS)
    yield from (Text(f"failing {failing.type}, when", failing.when) for failing in FAILINGS.values())
    yield from (Text(f"fact {fact.name}", fact.meaning) for fact in FACTS.values())
    yield from (Text(f"state {state.name}", state.label) for state in STATES.values())
    yield from (Text(f"move {kind}.{move.name}", move.label) for kind, moves in MOVES.items() for move in moves)


def runbook_texts() -> Iterator[Text]:
    """The runbooks: docstrings of playbooks, and what is said of herdsite's own failings."""
    yield from (Text(f"playbook {name}", " ".join(made.runbook.split())) for name, made in RESOLVERS.items())
    yield from (Text(f"runbook of {failing.type}", failing.runbook) for failing in FAILINGS.values())


def command_texts() -> Iterator[Text]:
    """What `manage.py COMMAND --help` prints, of each command that is ours."""
    for name, app in get_commands().items():
        if str(app) in SHIPPED or str(app).split(".")[0] in SHIPPED:
            made = load_command_class(str(app), name)
            yield Text(f"manage.py {name}", str(made.help))
            parser = made.create_parser("manage.py", name)
            yield from (Text(f"manage.py {name} {one.dest}", one.help) for one in parser._actions if one.help)


def template_texts() -> Iterator[Text]:
    """What stands in pages, messages and notices, without tags."""
    for path in sorted((ROOT / "templates").rglob("*.*")):
        source = re.sub(r"{#.*?#}|{% comment.*?endcomment %}", "", path.read_text(), flags=re.DOTALL)
        source = re.sub(r"<(script|style)\b.*?</\1>", "\n", source, flags=re.DOTALL)
        source = re.sub(r"{%.*?%}", "\n", source, flags=re.DOTALL)
        source = re.sub(r"{{.*?}}", "X", source, flags=re.DOTALL)
        titles = re.findall(r'(?:title|aria-label|placeholder|data-head)="([^"]+)"', source)
        bare = re.sub(r"</?(a|b|code|span|em|time|strong)\b[^>]*>", "", source)
        lines = bare.split("\n\n") if path.suffix == ".txt" else re.sub(r"<[^>]+>", "\n", bare).splitlines()
        for line in (*(" ".join(part.split()) for part in lines), *titles):
            if re.search(r"[a-z]{2}", line):
                yield Text(str(path.relative_to(ROOT)), line.strip())


def source_texts() -> Iterator[Text]:
    """The literals of the shipped code that are words for a person."""
    for package in SHIPPED:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in path.parts:
                yield from (Text(f"{path.relative_to(ROOT)}:{line}", words) for line, words in _literals(path))


def _literals(path: Path) -> Iterator[tuple[int, str]]:
    tree = ast.parse(path.read_text())
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    silent = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        words = _words(node)
        if id(node) in parts | silent or words is None or " " not in words.strip() or _CODE.search(words):
            continue
        yield getattr(node, "lineno", 0), words


def _words(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
    return None


def sentences(words: str) -> list[str]:
    """The sentences of a text; a heading like "Symptom:" is not part of the one that it stands before."""
    bare = (re.sub(r"^(Symptom|Look first|Steps|Give up when): ", "", part.strip()) for part in _SENTENCE.split(words))
    return [part.lstrip("\"'(*- ") for part in bare if part]


def offences(text: Text, phrases: list[str]) -> list[str]:
    """What is wrong with a text, a line each."""
    wrong = [
        f"{text.where}: {sentence!r} begins with a pronoun: name the subject"
        for sentence in sentences(text.words)
        if _PRONOUN.match(sentence)
    ]
    low = text.words.lower()
    wrong += [
        f"{text.where}: {text.words!r} says {phrase!r}: see docs/glossary.md"
        for phrase in phrases
        if re.search(rf"(?<![\w-]){re.escape(phrase.lower())}(?![\w-])", low)
    ]
    return wrong


@pytest.mark.parametrize(
    "gather",
    [table_texts, condition_texts, runbook_texts, command_texts, template_texts, source_texts],
    ids=lambda gather: gather.__name__,
)
def test_texts_are_plain(gather) -> None:
    phrases = unused()
    texts = list(gather())
    assert len(texts) > 20
    wrong = [line for text in texts for line in offences(text, phrases)]
    assert not wrong, f"{len(wrong)} texts are not plain:\n" + "\n".join(sorted(set(wrong)))


def test_a_reason_is_a_sentence_without_its_full_stop() -> None:
    shape = re.compile(r"([A-Z]|herdsite|pg_\w)[^\n]*[^.\s]$")
    wrong = [f"{text.where}: {text.words!r}" for text in table_texts() if not shape.match(text.words)]
    assert not wrong, "\n".join(wrong)


def test_a_row_of_a_table_is_no_wider_than_a_screen_and_stands_under_a_heading() -> None:
    for place in TABLES:
        path = ROOT / place
        for file in sorted(path.glob("*.py")) if path.is_dir() else [path]:
            source = file.read_text()
            assert all(len(line) <= 120 for line in source.splitlines()), file
            hundreds = {int(row) // 100 for row in re.findall(r"^    (?:Rule|Row)\((\d+)", source, re.MULTILINE)} - {0}
            headed = {int(row) for row in re.findall(r"^    # (\d+)00: ", source, re.MULTILINE)}
            assert hundreds == headed, f"{file}: each hundred has a heading"


@pytest.mark.parametrize(
    "words",
    [
        "it would not stop",
        "PostgreSQL did not stop. Nobody waits for it any more",
        "Steps: it is started anew",
        "The leader that was comes back as a standby",
    ],
)
def test_a_text_that_is_not_plain_is_found(words: str) -> None:
    assert offences(Text("here", words), unused())
