"""When a tenant, or the whole of a shared instance, has used up locks or connections: conditions for watch.py. Pure."""

from collections.abc import Mapping
from typing import Any

from fleet import policy
from fleet.conditions import Condition, named, over, yes
from fleet.think.resource import NO_LOCKS

# PostgreSQL names the limit that is reached: the role's or the database's own, or that of the whole instance.
own_limit = Condition(
    "PostgreSQL names the limit of the role or of the database",
    ("service_why",),
    lambda facts: (
        None
        if facts["service_why"] is None
        else any(f"too many connections for {what}" in facts["service_why"] for what in ("role", "database"))
    ),
)


def _no_locks(facts: Mapping[str, Any]) -> bool | None:
    """A look that succeeds has no code."""
    if facts["service_available"] is True:
        return False
    return None if facts["service_code"] is None else facts["service_code"] == NO_LOCKS


no_locks = Condition(
    "PostgreSQL refuses herdsite's login: out of shared memory for locks",
    ("service_available", "service_code"),
    _no_locks,
)
# With how long it still lasts among its facts.
suspended = named("herdsite has suspended the database", yes("suspended") & over("suspension_s", -1))
# The reading names only these (herdsite/pressure.py).
takes_locks = named(
    f"the database holds over {policy.LOCK_SHARE_PCT:g} % of the lock table, or most of a full one", over("lock_pct", 0)
)
