"""What `manage.py check` holds against the table of probes: its names, its facts, its states and its time-outs."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Error, register

from fleet import policy
from fleet.facts import FACTS
from fleet.states import states_of
from fleet.subject import KINDS
from observations.probes.base import DOOR, PROVIDER, SHELL, SQL, Probe
from observations.probes.table import PROBES

# What feel allows each wire.
WIRES = {
    SQL: policy.SQL_TIMEOUT_S,
    SHELL: policy.SSH_TIMEOUT_S,
    PROVIDER: policy.PROVIDER_TIMEOUT_S,
    DOOR: policy.DOOR_TIMEOUT_S,
}


@register
def probes(**_kwargs: Any) -> list[CheckMessage]:
    """herdsite.E003: a probe that could never be asked, or whose answer no table could read."""
    hint = "Correct the table in observations/probes/table.py, or the catalogue in fleet/facts.py."
    twice = [name for name, times in Counter(probe.name for probe in PROBES).items() if times > 1]
    wrong = [f"There is more than one probe {name!r}." for name in twice]
    wrong += [f"Probe {probe.name!r} {words}." for probe in PROBES for words in _wrong(probe)]
    return [Error(message, hint=hint, id="herdsite.E003") for message in wrong]


def _wrong(probe: Probe) -> Iterator[str]:
    if probe.kind not in KINDS:
        yield f"looks at {probe.kind!r}, which is none of {', '.join(KINDS)}"
        return
    if probe.over not in WIRES:
        yield f"goes over {probe.over!r}, which is none of {', '.join(WIRES)}"
    elif probe.timeout > WIRES[probe.over]:
        yield f"may take {probe.timeout:g} s, and its wire has {WIRES[probe.over]:g} s"
    for name in probe.fills:
        if name not in FACTS:
            yield f"fills {name!r}, which is not in the catalogue of facts"
    for state in probe.states or ():
        if state not in states_of(probe.kind):
            yield f"is for {state!r}, a state that a {probe.kind} does not have"
