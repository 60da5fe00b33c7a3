"""A failover that is asked for in the beat that proves a leader lost, since its customers wait. The incident opens
beside it, and its playbooks find that this has begun. What they would not do by themselves is not done here either:
policy, the brake and doubt of our own eyes are asked as ever, and whatever is not plain is left to the incident.
"""

import structlog

from fleet import changing
from fleet.lifecycle import Because
from fleet.models import Changeover, Instance, Resource
from fleet.states import DESTROYED, DESTROYING
from incidents import brake, ourselves, playbooks
from incidents.desk import Found
from incidents.models.incident import ACT, HERD, NEVER
from incidents.watch import BY_TYPE

log = structlog.get_logger("incident")

LOST, TAKES_OVER, RESTARTS = "instance_down", "failover", "restart_postgres"


def ask(found: Found, vantage: str) -> Changeover | None:
    """The failover of the database whose leader was just found down with its host silent; None where that is not what
    its incident would come to at once."""
    leader, facts = found.member, found.facts
    if not isinstance(leader, Instance) or facts["ssh"] is True or facts["standby_ready"] is not True:
        return None
    mine = Resource.objects.filter(instance=leader.pk).exclude(state__in=(DESTROYING, DESTROYED))
    resource = next((one for one in mine.select_related("plan") if one.own_instance), None)
    if resource is None or not _acts(resource) or _held(leader):
        return None
    because = Because(found.row, BY_TYPE[LOST].because, vantage, {name: facts[name] for name in _SEEN})
    try:
        return changing.begin(resource, Changeover.FAILOVER, because, marks={"case": f"leader/{leader.pk}"})
    except (changing.Busy, changing.CantMove) as error:
        # What is under way may be over in a moment: the incident tries on.
        log.info("not yet", subject=resource.name, why=str(error))
        return None


_SEEN = ("ssh", "postmaster", "service_available", "standby_ready", "doubt_s")


def _acts(resource: Resource) -> bool:
    """Whether policy lets a failover come first: nobody is to be asked, neither for it nor for what comes before it."""
    modes = playbooks.modes_of((RESTARTS, TAKES_OVER), resource.plan, resource)
    return modes.get(TAKES_OVER, ACT) == ACT and modes.get(RESTARTS, ACT) in (ACT, NEVER)


def _held(leader: Instance) -> bool:
    """Whether our own blindness holds it back, or a storm where a failover may cost something."""
    if ourselves.blindness():
        return True
    storm = brake.storm_over(leader)
    return storm is not None and not (storm.subject_kind == HERD and brake.costs_nothing(leader))
