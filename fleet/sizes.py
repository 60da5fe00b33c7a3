"""How big an instance is made, by its plan and by what it is a copy of."""

from fleet.models import Instance, Plan
from fleet.postgres.config import Sizing

# A shared instance sells more connections than it has: never are all of its tenants at their limit at once.
TENANTS_AT_ONCE = 10


def connections(plan: Plan) -> int:
    """How many clients an instance of that plan takes, all of its databases together."""
    return plan.connections * min(plan.shared_by, TENANTS_AT_ONCE)


def sizing(instance: Instance) -> Sizing:
    """How an instance of its plan is configured: a shared one serves all of its resources. A copy takes as many
    connections as the plan of what it is a copy of has; what that one really has is told with whom to stream from
    (streams.followed)."""
    plans = [instance.plan]
    if instance.upstream:
        plans.append(instance.upstream.plan)
    return Sizing(
        memory_mb=instance.plan.memory_mb,
        connections=max(connections(plan) for plan in plans),
        disk_mb=instance.plan.disk_mb,
        archived=bool(instance.timeline.archive) or instance.plan.keep_days > 0,
    )
