"""All tables as text, so that a change of policy is a diff that a reviewer can read."""

import json
import textwrap
from collections.abc import Sequence
from typing import Any

from fleet import policy, verbs
from fleet.addon.life import LIFE as ADDON_LIFE
from fleet.addon.life import WAIT
from fleet.roles import ASK, DESTROY
from fleet.rules import ANY, Table
from fleet.states import MOVES, STATES, states_of
from fleet.think import LIFE
from incidents.life import LIFE as INCIDENT_LIFE
from incidents.ourselves import EVERY_S, FAILINGS, IN_A_ROW
from incidents.watch import ALARMS
from observations.probes.table import PROBES

# So wide is a line of a table, like one of our code.
WIDTH = 120
# Where the client looks for a name, first to last.
PLACES = ("resource", "instance", "server", "timeline", "address", "changeover")


def rendered() -> str:
    """PROBES, LIFE of each kind and of add-ons, ALARMS, herdsite's own FAILINGS, moves, the policy's numbers."""
    lives = [_life(kind, table) for kind, table in (LIFE | {"incident": INCIDENT_LIFE}).items()]
    parts = [
        _probes(),
        *lives,
        _addon(),
        _alarms(),
        _failings(),
        _verbs(),
        *(_moves(kind) for kind in MOVES),
        _numbers(),
    ]
    return "\n".join(parts)


def _probes() -> str:
    rows = [[("name", "of", "over", "every", "timeout", "fills")]]
    rows += [[(p.name, p.kind, p.over, f"{p.every:g}", f"{p.timeout:g}", " ".join(p.fills))] for p in PROBES]
    return _titled("PROBES: what is observed", rows, (11, 10, 8, 5, 7))


def _life(kind: str, table: Table) -> str:
    rows = [[("row", "in state", "when"), ("", "then", "because")]]
    rows += [
        [(str(r.row), "ANY" if r.state == ANY else r.states, str(r.when)), ("", str(r.then), r.because)] for r in table
    ]
    return _titled(f"LIFE of {kind}: the first row that is true wins, one a beat", rows, (3, 30))


def _addon() -> str:
    rows = [[("row", "", "when"), ("", "then", "because")]]
    rows += [[(str(r.row), "", str(r.when)), ("", r.step if r.step != WAIT else "WAIT", r.because)] for r in ADDON_LIFE]
    title = "LIFE of an add-on: the next message to its platform; the first row that is true wins"
    return _titled(title, rows, (3, 9))


def _alarms() -> str:
    rows = [[("type", "of", "when"), ("", "severity", "resolvers"), ("", "opens/closes", "because")]]
    rows += [
        [
            (a.type, " ".join(a.kinds), str(a.when)),
            ("", a.severity, " ".join(a.resolvers) or "none"),
            ("", f"{a.open}/{a.close} beats", a.because),
        ]
        for a in ALARMS
    ]
    title = "ALARMS: every row is judged at each beat; true opens, false closes, unknown changes nothing"
    return _titled(title, rows, (22, 12))


def _failings() -> str:
    rows = [[("type", "when"), ("", "because")]]
    rows += [[(f.type, f.when), ("", f.because)] for f in FAILINGS.values()]
    return _titled(f"FAILINGS of herdsite: looked for every {EVERY_S:g} s; {IN_A_ROW} in a row open one", rows, (22,))


def _verbs() -> str:
    rows = [[("of", "verb", "takes", "in state"), ("", "", "for whom", "meaning")]]
    for v in verbs.TABLE:
        takes = " ".join(f"{p.name}!" if p.required else p.name for p in v.params) or "nothing"
        who = [DESTROY if v.grave else ASK, *["customers"] * bool(v.customer), *["platform"] * v.platform]
        who += ["grave" if v.grave else "grave if forced"] * v.may_be_grave
        rows.append([(v.kind, v.name, takes, " ".join(v.states)), ("", "", " ".join(who), v.meaning)])
    title = "VERBS: everything that can be asked; what is grave takes the name, a reason and the right to destroy"
    return _titled(title, rows, (10, 10, 32))


def _moves(kind: str) -> str:
    known = ", ".join(f"{name} ({STATES[name].label})" for name in states_of(kind))
    rows = [[("states", known, "")], [("move", "from", "to")]]
    rows += [[(m.name, " ".join(m.sources), m.target)] for m in MOVES[kind]]
    return _titled(f"MOVES of {kind}", rows, (18, 76))


def _numbers() -> str:
    names = sorted(name for name, value in vars(policy).items() if name.isupper() and isinstance(value, int | float))
    return _titled("NUMBERS of the policy", [[(name, f"{getattr(policy, name):g}")] for name in names], (20,))


def _titled(title: str, rows: Sequence[Sequence[Sequence[str]]], widths: Sequence[int]) -> str:
    """The rows under a title; a row is a line of cells or several. All but the last cell have their `widths`, the last
    takes what is left of WIDTH, and what is longer is wrapped below itself."""
    lines = [line for row in rows for cells in row for line in _wrapped(cells, widths)]
    return f"{title}\n{'-' * len(title)}\n" + "\n".join(lines) + "\n"


def _wrapped(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    rest = WIDTH - sum(widths) - 2 * len(widths)
    room = [*widths, rest]
    parts = [
        textwrap.wrap(cell, width, break_long_words=False, break_on_hyphens=False) or [""]
        for cell, width in zip(cells, room, strict=True)
    ]
    return [
        "  ".join(part[n].ljust(w) if n < len(part) else " " * w for part, w in zip(parts, room, strict=True)).rstrip()
        for n in range(max(map(len, parts)))
    ]


def for_client() -> str:
    """What can be asked, for the command line that runs elsewhere and imports nothing of ours (herdsite/client)."""
    found: dict[str, dict[str, Any]] = {}
    for row in sorted(verbs.TABLE, key=lambda row: PLACES.index(row.kind)):
        one = found.setdefault(row.name, {
            "verb": row.name, "help": row.meaning, "kinds": [], "grave": row.grave, "each_time": False, "examples": [],
            "params": [_param(param) for param in row.params],
        })  # fmt: skip
        one["kinds"].append(f"{row.kind}es" if row.kind.endswith("s") else f"{row.kind}s")
        one["each_time"] |= row.each_time
        one["examples"] += row.examples
    return json.dumps(list(found.values()), indent=1, ensure_ascii=False) + "\n"


def _param(param: verbs.Parameter) -> dict[str, Any]:
    told = {"name": param.name, "help": param.help, "metavar": param.type.metavar, "type": param.type.of.__name__}
    return told | {"word": param.word, "grave": param.grave}
