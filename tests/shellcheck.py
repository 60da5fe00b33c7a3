"""What ShellCheck says of the scripts that go to hosts, and which of it is no fault."""

import json
import os
import re
import subprocess
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import fleet
import incidents
import observations

# What a script does on purpose.
PASSED = {
    1091: "a host's own file is read on that host",
    2012: "names of PostgreSQL's own files, sorted by time",
    2013: "words are read, not lines",
    2015: "the second part can't fail, or its failure is to be passed over as well",
    2016: "text for another shell or for awk",
    2034: "a part that several scripts share sets more than each of them needs",
    2046: "a list of words is meant to be split",
    2086: "a list of words is meant to be split",
    2089: "text for another shell",
    2090: "text for another shell",
    2094: "the name of what is read is removed, and not its content",
    2163: "NAME=VALUE is in the variable",
    2254: "a pattern is in the variable",
    2329: "a part that several scripts share",
}
# A function in a condition; a command whose failure another one hides; a variable that is never set.
UNCHECKED, MASKED, UNSET = 2310, 2312, 2154
# Whoever asks a probe's question says these before it.
GIVEN = re.compile(r"^(home|data|job) ")
# A script without `set -e` (a probe) answers for each command by itself, and an error's own words hide nothing.
STRICT = re.compile(r"^ *set -e", re.MULTILINE)
WORDS = re.compile(r"\b(fail|refuse) \"|>&2")
# In `A && B` nobody sees that A failed, unless A is a question.
LOST = re.compile(r"(^|[;{(]|then|do) *(sync|mv|rm|cp|ln|mkdir|touch|gzip|chmod|kill|cat|sh|sed|\"\$bin/\S+) [^;|]*&& ")
# With these nothing can go wrong, or what goes wrong shows at once in what follows.
HARMLESS = re.compile(
    r"(:|\[|echo|printf|return|exit|shift|set|local|export|unset|read|sleep|kill|trap|break|continue|true|false|fail|"
    r"refuse|exec \d|[\w]+=(?!.*\$\((?!\()))( |$|;)?"
)
FLOW = re.compile(r"(if|elif|while|until|!) ")
# What only closes something, opens it, or says which case it is.
SHAPE = re.compile(r"(then|else|fi|do|done|esac|;;|\}|\)|\{|\()+( [|<>&].*)?$|case .* in$|for .*; do$")
CASE = re.compile(r"^(\(?[^()$ ]+|\*|\"[^\"]*\"\S*( \| \S+)*|\S+ \| .*)\) ?")
DEFINED = re.compile(r"^(\w+)\(\) \{(.*)$")


@dataclass(frozen=True)
class Found:
    script: str
    code: int
    line: int
    text: str
    column: int
    message: str


def scripts() -> dict[str, str]:
    """Every script that our code has, by the name of its constant. Parts of others are checked in those."""
    shell = re.compile(r'"\$[\w{(@#?!]|\$\(|\$[1-9]\b')
    texts: dict[str, str] = {}
    for package in (fleet, incidents, observations):
        for module in walk_packages(package.__path__, f"{package.__name__}."):
            # A local host's own programs don't go to hosts.
            if not re.search(r"\.(migrations|providers\.local)\.", module.name):
                for name, value in vars(import_module(module.name)).items():
                    if isinstance(value, str) and not name.startswith("__") and shell.search(value):
                        texts.setdefault(value, f"{module.name}.{name}")
    return {
        name: text
        for text, name in texts.items()
        if not any(text != other and text.strip() in other for other in texts)
    }


def check(script: str, text: str) -> list[Found]:
    """What ShellCheck has to say of it and what is not passed over."""
    argv = [Path(sysconfig.get_path("scripts")) / "shellcheck", "-s", "sh", "-f", "json"]
    argv += ["--enable=check-set-e-suppressed,check-extra-masked-returns", "-"]
    said = subprocess.run(argv, input=text, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
    lines = text.splitlines()
    found = [
        Found(script, one["code"], one["line"], lines[one["line"] - 1], one["column"], one["message"])
        for one in json.loads(said.stdout)
        if one["code"] not in PASSED
    ]
    return [one for one in found if not _passes(one, text)]


def _passes(found: Found, text: str) -> bool:
    if found.code == MASKED:
        return not STRICT.search(text) or bool(WORDS.search(found.text))
    return found.code == UNSET and bool(GIVEN.match(found.message))


def lost(text: str) -> list[str]:
    """The lines of a script that go on after a command of theirs has failed, though `set -e` is on."""
    return [
        line.strip() for line in text.splitlines() if STRICT.search(text) and LOST.search(line) and "||" not in line
    ]


def functions(text: str) -> dict[str, list[str]]:
    """The body of each function, line by line; of one that is defined twice, of the last."""
    found: dict[str, list[str]] = {}
    lines = iter(text.splitlines())
    for line in lines:
        if begins := DEFINED.match(line):
            name, rest = begins[1], begins[2].strip()
            if rest.endswith("}") and rest != "}":
                found[name] = [part.strip() for part in rest[:-1].split(";") if part.strip()]
            else:
                found[name] = list(_until(lines, "}"))
        elif begins := re.match(r"^(\w+)\(\) \($", line):
            found[begins[1]] = list(_until(lines, ")"))
    return found


def _until(lines: Iterator[str], end: str) -> Iterator[str]:
    for line in lines:
        if line.rstrip() == end:
            return
        yield line


def called(found: Found) -> str:
    """The function that stands where ShellCheck points to."""
    there = re.match(r"[\w]+", found.text[found.column - 1 :])
    return there[0] if there else ""


def unanswered(name: str, known: Mapping[str, list[str]], seen: frozenset[str] = frozenset()) -> list[str]:
    """The commands in a function whose failure nobody sees when `set -e` is off in it: every one but the last, whose
    failure is the function's own, has to be answered where it stands."""
    commands = _joined(known[name])
    bad = []
    for number, command in enumerate(commands):
        words = _inner(command)
        if not words or SHAPE.match(words):
            continue
        verb = words.split()[0].rstrip(";")
        if verb in known and verb not in seen | {name}:
            bad += unanswered(verb, known, seen | {name})
        last = number == len(commands) - 1
        if last or FLOW.match(words) or "||" in words or HARMLESS.match(words) or verb in known:
            continue
        bad.append(f"{name}: {words}")
    return bad


def _inner(command: str) -> str:
    """The command itself, without the pattern of a case before it."""
    words = CASE.sub("", command.strip(), count=1)
    return words.removesuffix(";;").strip()


def _joined(lines: list[str]) -> list[str]:
    """Lines that belong together as one; no comments, and nothing of what stands between quotes over several lines."""
    joined: list[str] = []
    open_ = until = ""
    for line in lines:
        bare = line.strip()
        # What stands in a here document is no command.
        if until:
            until = "" if bare == until else until
            continue
        if here := re.search(r"<<'?(\w+)'?", bare):
            until = here[1]
        if not open_ and (not bare or bare.startswith("#")):
            continue
        open_ = f"{open_} {bare.removesuffix(chr(92))}".strip()
        quotes = open_.replace("\\'", "").count("'")
        if bare.endswith((chr(92), "|", "&&")) or quotes % 2:
            continue
        joined.append(open_)
        open_ = ""
    return [*joined, open_] if open_ else joined
