"""All tables as text, so that a change of policy is a diff that a reviewer can read."""

from collections.abc import Sequence

from fleet import policy
from fleet.addon.life import LIFE as ADDON_LIFE
from fleet.addon.life import WAIT
from fleet.rules import ANY, Table
from fleet.states import MOVES, STATES, states_of
from fleet.think import LIFE
from incidents.life import LIFE as INCIDENT_LIFE
from incidents.ourselves import EVERY_S, FAILINGS, IN_A_ROW
from incidents.watch import ALARMS
from observations.probes.table import PROBES


def rendered() -> str:
    """PROBES, LIFE of each kind and of add-ons, ALARMS, herdsite's own FAILINGS, moves, the policy's numbers."""
    lives = [_life(kind, table) for kind, table in (LIFE | {"incident": INCIDENT_LIFE}).items()]
    parts = [_probes(), *lives, _addon(), _alarms(), _failings(), *(_moves(kind) for kind in MOVES), _numbers()]
    return "\n".join(parts)


def _probes() -> str:
    rows = [("name", "of", "over", "every", "timeout", "fills")]
    rows += [(p.name, p.kind, p.over, f"{p.every:g}", f"{p.timeout:g}", " ".join(p.fills)) for p in PROBES]
    return _titled("PROBES: what is observed", rows)


def _life(kind: str, table: Table) -> str:
    rows = [("row", "state", "when", "then", "because")]
    rows += [(str(r.row), "ANY" if r.state == ANY else r.states, str(r.when), str(r.then), r.because) for r in table]
    return _titled(f"LIFE of {kind}: the first row that is true wins, one a beat", rows)


def _addon() -> str:
    rows = [("row", "when", "then", "because")]
    rows += [(str(r.row), str(r.when), r.step if r.step != WAIT else "WAIT", r.because) for r in ADDON_LIFE]
    return _titled("LIFE of an add-on: the next message to its platform; the first row that is true wins", rows)


def _alarms() -> str:
    rows = [("type", "of", "when", "open", "close", "severity", "resolvers", "because")]
    rows += [
        (
            *(a.type, " ".join(a.kinds), str(a.when), f"{a.open}", f"{a.close}"),
            *(a.severity, " ".join(a.resolvers) or "none", a.because),
        )
        for a in ALARMS
    ]
    return _titled("ALARMS: every row is judged at each beat; true opens, false closes, unknown changes nothing", rows)


def _failings() -> str:
    rows = [("type", "when", "because"), *((f.type, f.when, f.because) for f in FAILINGS.values())]
    return _titled(f"FAILINGS of herdsite: looked for every {EVERY_S:g} s; {IN_A_ROW} in a row open one", rows)


def _moves(kind: str) -> str:
    rows = [("move", "from", "to")]
    rows += [(m.name, " ".join(m.sources), m.target) for m in MOVES[kind]]
    known = ", ".join(f"{name} ({STATES[name].label})" for name in states_of(kind))
    return _titled(f"MOVES of {kind}: {known}", rows)


def _numbers() -> str:
    names = sorted(name for name, value in vars(policy).items() if name.isupper() and isinstance(value, int | float))
    return _titled("NUMBERS of the policy", [(name, f"{getattr(policy, name):g}") for name in names])


def _titled(title: str, rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]) - 1)]
    lines = [
        "  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[-1]]).rstrip() for row in rows
    ]
    return f"{title}\n{'-' * len(title)}\n" + "\n".join(lines) + "\n"
