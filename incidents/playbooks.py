"""Which playbook comes next for an incident, whether it may act by itself, and how often each has mended what it was
for."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Q

from fleet.models import Plan, Resource
from incidents.models import Incident, Journal, PlaybookPolicy
from incidents.models.incident import ACT, ASK, NEVER
from incidents.watch import BY_TYPE

NONE = "none"
BEGAN, MENDED = "began", "mended"
# What may lose acknowledged writes asks first where the plan promises that none is lost.
MAY_LOSE = ("replay_from_archive",)


def resolvers_of(type_: str) -> tuple[str, ...]:
    """The playbooks for an alarm, in their order."""
    return BY_TYPE[type_].resolvers if type_ in BY_TYPE else ()


def coming(incident: Incident) -> tuple[str, str]:
    """The playbook that is at work or comes next, and how it may be used: act, ask, or ("", "none")."""
    names = [incident.resolver] if incident.resolver else resolvers_of(incident.type)
    left = [name for name in names if name not in incident.tried]
    modes = modes_of(left, incident.plan(), incident.resource()) if left else {}
    for name in left:
        mode = modes.get(name, ACT)
        if mode != NEVER:
            return name, ACT if mode == ASK and incident.approved else mode
    return "", NONE


def modes_of(names: Sequence[str], plan: Plan | None, resource: Resource | None) -> dict[str, str]:
    """What policy says of each playbook for this thing; the resource's own word counts before its plan's, and that
    before the general one. Where nobody has said anything they act, but for what may lose what must not be lost."""
    said = PlaybookPolicy.objects.filter(
        Q(plan=None) | Q(plan=plan), Q(resource=None) | Q(resource=resource), resolver__in=names
    )
    risky = plan is not None and plan.high_availability
    asks = {name: ASK for name in names if risky and name in MAY_LOSE}
    by_weight = sorted(said, key=lambda policy: (policy.resource_id is not None, policy.plan_id is not None))
    return asks | {policy.resolver: policy.mode for policy in by_weight}


@dataclass(frozen=True)
class Rate:
    """How often a playbook was begun, and how often the incident's alarm closed while it was at work."""

    resolver: str
    began: int
    mended: int


def rates() -> list[Rate]:
    """Every playbook that was ever begun, by name."""
    counted = (
        Journal.objects.filter(outcome__in=(BEGAN, MENDED))
        .values("resolver")
        .annotate(began=Count("id", Q(outcome=BEGAN)), mended=Count("id", Q(outcome=MENDED)))
        .order_by("resolver")
    )
    return [Rate(**row) for row in counted]
