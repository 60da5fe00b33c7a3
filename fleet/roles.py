"""Who may do what, as two tables: what each scope stands for, and which scopes each role has. Pure data. Which scope a
verb takes is in the verb's row (fleet/verbs/table.py).

A role is a Django group (made by the migration from this table), so that it counts in the portal and the admin too. A
token has some of its login's scopes, never more; one that is bound to a customer has at most the customer role's, and
for that customer's own things only.
"""

from dataclasses import dataclass

READ, ASK, DESTROY, RESPOND, MANAGE, SECRETS = "read", "ask", "destroy", "respond", "manage", "secrets"
CUSTOMER = "customer"


@dataclass(frozen=True)
class Scope:
    """`permissions` are Django's that a group with this scope gets; the first of them is the one that is looked for."""

    name: str
    means: str
    permissions: tuple[str, ...]


SCOPES = {
    scope.name: scope
    for scope in (
        Scope(READ, "look at everything but secrets", (
            "fleet.view_resource", "fleet.view_instance", "fleet.view_server", "fleet.view_timeline",
            "fleet.view_customer", "fleet.view_plan", "fleet.view_intent", "fleet.view_event", "fleet.view_worker",
            "observations.view_observation", "incidents.view_incident",
        )),
        Scope(ASK, "ask for things: create, restart, fork, switch over, …", (
            "fleet.add_intent", "fleet.add_resource", "fleet.add_server",
        )),
        Scope(DESTROY, "ask for what leaves data behind: destroy, restore, load, a forced failover", (
            "fleet.delete_resource",
        )),
        Scope(RESPOND, "acknowledge, assign, snooze and resolve incidents", ("incidents.change_incident",)),
        Scope(MANAGE, "change plans, customers and what playbooks may do, make and revoke tokens", (
            "fleet.change_plan", "fleet.add_plan", "fleet.change_customer", "fleet.add_customer",
            "api.view_token", "api.add_token", "api.change_token",
        )),
        Scope(SECRETS, "be shown credentials", ("fleet.change_credential", "fleet.view_credential")),
    )
}  # fmt: skip

ROLES: dict[str, tuple[str, ...]] = {
    "viewer": (READ,),
    "operator": (READ, ASK, DESTROY),
    "responder": (READ, ASK, RESPOND),
    "admin": tuple(SCOPES),
    CUSTOMER: (READ, ASK, DESTROY, SECRETS),
}
