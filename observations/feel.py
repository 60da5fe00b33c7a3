"""Feel: look at one thing from the outside, by every wire that its due probes need, one round trip each.

It changes nothing and raises nothing. What could not be looked at is part of the look: which wire, and why.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

from fleet import facts, policy
from fleet.doubt import PROOF, WIRES
from fleet.ports import Ports
from fleet.providers.base import ProviderError
from fleet.states import AVAILABLE, UNCERTAIN
from fleet.subject import ADDRESS, INSTANCE, RESOURCE, Subject
from fleet.transports.base import CommandFailed, Refused, TransportError, checked
from observations.probes import base
from observations.probes.table import PROBES
from observations.record import Look

# The server said no to us alone: it lives, and whether its customers are served is not known from this.
_ALIVE_BUT = ("28000", "28P01", "3D000", "42501", "53200", "53300", "57014", "55P03")

# What says no does so within this; what takes longer is silent, and asking its host too would only take as long again.
REFUSED_S = 0.3

# What a failover goes by, and what nobody can look at any more when there is one: kept until a look says another thing.
LASTING = ("weak_commits", "capacity", "sorts", "unlogged_tables", "unlogged_bytes")

Attrs = dict[str, str | None]


def feel(subject: Subject, ports: Ports, everything: bool = False) -> Look:
    """One look, by the probes that are due (or by `everything`). Takes at most policy.beat_timeout(kind, state)."""
    began = time.monotonic()
    at = subject.now.timestamp() + began - subject.read_at
    probes = base.due(PROBES, subject, at, forced=everything or subject.state != AVAILABLE)
    attrs: Attrs = {}
    probed: dict[str, float] = {}
    for wire_attrs, asked in _all(subject, probes, ports):
        attrs |= {name: facts.admitted(name, value) for name, value in wire_attrs.items()}
        probed |= dict.fromkeys((probe.name for probe in asked), at)
    return Look(
        kind=subject.kind,
        subject=subject.id,
        at=datetime.fromtimestamp(at, UTC),
        took_ms=(time.monotonic() - began) * 1000,
        good=_good(subject, attrs),
        attrs=attrs,
        probed=probed,
    )


def _all(subject: Subject, probes: Sequence[base.Probe], ports: Ports) -> list[tuple[Attrs, list[base.Probe]]]:
    """Every wire's look. Where something is wrong the wires are asked side by side: each may take its time-out."""
    wires = (_sql, _shell, _door, _provider)
    if subject.state == AVAILABLE or len({probe.over for probe in probes}) < 2:
        began = time.monotonic()
        looks = [wire(subject, probes, ports) for wire in wires]
        if time.monotonic() - began > REFUSED_S:
            return looks
        return [*looks, _shell(subject, _of_the_host(subject), ports)] if _is_out(subject, looks) else looks
    with ThreadPoolExecutor(len(wires)) as pool:
        return list(pool.map(lambda wire: wire(subject, probes, ports), wires))


def _is_out(subject: Subject, looks: Sequence[tuple[Attrs, list[base.Probe]]]) -> bool:
    """It was well until now, answers no more, and its plan waits for nobody: its host is asked in the same look, since
    a host that answers may prove it dead."""
    out = any(attrs.get("service_available") == "false" for attrs, _asked in looks)
    hasty = subject.state == AVAILABLE and subject.interval_s < policy.HASTY_S
    return out and hasty and subject.kind == INSTANCE and not any("ssh" in attrs for attrs, _asked in looks)


def _of_the_host(subject: Subject) -> list[base.Probe]:
    return base.due(PROBES, replace(subject, state=UNCERTAIN), subject.read_at, forced=True)


def _good(subject: Subject, attrs: Attrs) -> bool:
    """The look succeeded: it came to the thing, or there was nothing that it had to come to."""
    wire = PROOF.get(subject.kind)
    if wire is None:
        return "machine_why" not in attrs
    return attrs.get(next(fact for name, fact, _why in WIRES if name == wire)) == "true"


def known(subject: Subject, look: Look) -> Attrs:
    """All that is known after this look."""
    fresh = {name: value for name, value in look.attrs.items() if value is not None or name not in LASTING}
    return carried(subject, look) | {name: subject.known[name] for name in LASTING if name in subject.known} | fresh


def carried(subject: Subject, look: Look) -> Attrs:
    """What was known before and still counts: the attributes of probes that apply now and were not due this time.
    A probe that was due and could not be made tells that nothing is known, not that all is as it was."""
    due = base.due(PROBES, subject, look.at.timestamp(), forced=subject.state != AVAILABLE)
    kept = {name for probe in PROBES if probe.applies(subject) and probe not in due for name in probe.fills}
    return {name: value for name, value in subject.known.items() if name in kept}


def _sql(subject: Subject, probes: Sequence[base.Probe], ports: Ports) -> tuple[Attrs, list[base.Probe]]:
    mine = [probe for probe in probes if probe.over == base.SQL]
    if not mine or subject.database is None:
        return {}, []
    began = time.monotonic()
    try:
        return _ask_sql(subject, mine, ports, policy.sql_timeout(subject.interval_s, subject.verdict_s)), mine
    except TransportError as error:
        silent = time.monotonic() - began >= policy.sql_timeout(subject.interval_s, subject.verdict_s)
        hung = silent and any(probe.name == "write" for probe in mine) and not isinstance(error, Refused)
        if len(mine) == 1 or not (hung or (isinstance(error, Refused) and error.code)):
            return _no_service(subject, mine, error), mine
        failed = error
    # One statement among many failed, and one round trip is one transaction: ask again for the sign of life alone, in
    # what is left of the time for connecting and for answering.
    left = 2 * policy.sql_timeout(subject.interval_s, subject.verdict_s) - (time.monotonic() - began)
    try:
        attrs = _ask_sql(subject, mine[:1], ports, max(left, 0.0) / 2)
        # It lets us in, and a write does not come back: that waits for something, a synchronous standby say.
        waits: Attrs = {"write_hangs": "true"} if hung else {}
        return dict.fromkeys(_fills(mine[1:])) | attrs | waits | {"look_failed": str(failed)}, mine
    except TransportError as error:
        return _no_service(subject, mine, error), mine


def _ask_sql(subject: Subject, probes: list[base.Probe], ports: Ports, timeout: float) -> Attrs:
    assert subject.database is not None
    began, at = time.monotonic(), time.time()
    rows = ports.sql.fetch(
        subject.database,
        base.sql_question(probes, subject),
        timeout=timeout,
        read_only=subject.kind != RESOURCE,
    )
    attrs = base.read_all(probes, base.sql_answers(probes, rows), subject, at, time.monotonic() - began)
    return attrs | ({"write_hangs": "false"} if "can_write" in attrs else {})


def _no_service(subject: Subject, probes: Sequence[base.Probe], error: TransportError) -> Attrs:
    alive_but = subject.kind != RESOURCE and isinstance(error, Refused) and error.code in _ALIVE_BUT
    return dict.fromkeys(_fills(probes)) | {
        "service_available": None if alive_but else "false",
        "service_why": str(error),
        "service_code": getattr(error, "code", "") or None,
    }


def _shell(subject: Subject, probes: Sequence[base.Probe], ports: Ports) -> tuple[Attrs, list[base.Probe]]:
    mine = [probe for probe in probes if probe.over == base.SHELL]
    if not mine or subject.host is None:
        return {}, []
    began, at = time.monotonic(), time.time()
    argv = base.shell_question(mine, subject)
    try:
        out = checked(
            argv,
            ports.shell(subject.host).run(
                argv, subject.stdin, policy.ssh_timeout(subject.interval_s, subject.verdict_s)
            ),
        ).out
    except TransportError as error:
        # A command that ran and failed proves that the host let us in.
        let_in = "true" if isinstance(error, CommandFailed) else "false"
        return dict.fromkeys(_fills(mine)) | {"ssh": let_in, "ssh_why": str(error)}, mine
    answers = base.shell_answers(mine, out)
    return base.read_all(mine, answers, subject, at, time.monotonic() - began) | {"ssh": "true"}, mine


def _door(subject: Subject, probes: Sequence[base.Probe], ports: Ports) -> tuple[Attrs, list[base.Probe]]:
    """Whether one could still get in if the connections that are held were gone. What fails is due again at once: one
    failed login may be sshd's refusal of one too many."""
    mine = [probe for probe in probes if probe.over == base.DOOR]
    if not mine or subject.host is None:
        return {}, []
    try:
        ports.shell(subject.host).log_in(policy.DOOR_TIMEOUT_S)
    except TransportError as error:
        return {"lets_in": "false", "lets_in_why": str(error)}, []
    return {"lets_in": "true", "lets_in_why": None}, mine


def _provider(subject: Subject, probes: Sequence[base.Probe], ports: Ports) -> tuple[Attrs, list[base.Probe]]:
    mine = [probe for probe in probes if probe.over == base.PROVIDER]
    if not mine:
        return {}, []
    began, at = time.monotonic(), time.time()
    try:
        provider = ports.provider(subject.provider)
        said = provider.address(subject.name) if subject.kind == ADDRESS else provider.describe(subject.name)
    except ProviderError as error:
        return dict.fromkeys(_fills(mine)) | {"machine_why": str(error)}, mine
    answers = {probe.name: said for probe in mine}
    return base.read_all(mine, answers, subject, at, time.monotonic() - began), mine


def _fills(probes: Sequence[base.Probe]) -> list[str]:
    return [name for probe in probes for name in probe.fills]
