"""What `manage.py check` holds against each other: the LIFE tables and the actions that there are, the time-outs of a
beat and its lease. A typo in a table, or a time-out that outgrew its lease, is found here and not by a beat at night.
"""

from typing import Any

from django.core.checks import CheckMessage, Error, register

from fleet import policy, ring
from fleet.actions import ACTIONS
from fleet.rules import check
from fleet.states import states_of
from fleet.think import LIFE


@register
def tables(**_kwargs: Any) -> list[CheckMessage]:
    """herdsite.E001: a row of a LIFE table names what does not exist, or acts on nothing."""
    return [
        Error(wrong, hint=f"Correct the table in fleet/think/{kind}.py.", id="herdsite.E001")
        for kind, table in LIFE.items()
        for wrong in check(kind, table, ACTIONS[kind])
    ]


@register
def leases(**_kwargs: Any) -> list[CheckMessage]:
    """herdsite.E002: a beat may still be looking when its lease has run out, so that its result would be dropped."""
    return [
        Error(
            f"A beat of a {kind} that is {state} may take {policy.beat_timeout(kind, state):g} s, its lease ends after "
            f"{ring.granted(kind, state):g} s.",
            hint="Raise LEASE_MARGIN_S in fleet/policy.py, or lower the time-outs there.",
            id="herdsite.E002",
        )
        for kind in LIFE
        for state in states_of(kind)
        if policy.beat_timeout(kind, state) >= ring.granted(kind, state)
    ]


@register
def actions(**_kwargs: Any) -> list[CheckMessage]:
    """herdsite.E020: a beat's lease may end before its action has got to a host, where it is asked for again."""
    before = policy.REACH_S + policy.CLOCK_READ_S
    return [
        Error(
            f"To reach a host and read its clock may take {before:g} s, an action on a {kind} is held for "
            f"{policy.act_timeout(kind) + policy.LEASE_MARGIN_S:g} s.",
            hint="Raise the action's time in fleet/policy.py, or lower REACH_S and CLOCK_READ_S there.",
            id="herdsite.E020",
        )
        for kind in LIFE
        if before >= policy.act_timeout(kind)
    ]
