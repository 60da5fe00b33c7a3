"""What herdsite does about a stable address, which always leads to the leader of its database. One row a beat, first
match wins."""

from fleet.conditions import always, asked, is_, no, yes
from fleet.rules import ANY, WAIT, Rule, do, go
from fleet.states import ATTACHED, ATTACHING, DESTROYING, DETACHED

ALIVE = (DETACHED, ATTACHING, ATTACHED)

LIFE = (
    # row, in state       when the facts say
    #      then           because

    # 100: what was requested, and what others do to the address
    Rule(101, ALIVE,      no("wanted"),
         go("destroy"),   "The database of this address is being destroyed"),
    Rule(111, ATTACHED,   asked("detach"),
         do("detach_it"), "Detach was requested"),
    Rule(113, DETACHED,   asked("detach"),
         do("fulfil"),    "The address is detached"),
    # Before all rows that attach: during a changeover only its own steps move the address.
    Rule(115, ALIVE,      is_("changeover", "open"),
         WAIT,            "The changeover under way moves the address"),

    # 200: attaching
    Rule(201, DETACHED,   is_("endpoint", "none"),
         do("allocate"),  "The provider has no such address yet"),
    Rule(203, DETACHED,   is_("instance_state", "available", "uncertain"),
         go("attach"),    "A leader is there for the address to lead to"),
    Rule(211, ATTACHING,  is_("endpoint", "none"),
         go("detach"),    "The provider has no such address any more"),
    Rule(213, ATTACHING,  yes("leads_right"),
         go("arrive"),    "The address leads to the leader"),
    Rule(215, ATTACHING,  no("leads_right"),
         do("associate"), "The address does not lead to the leader yet"),

    # 300: attached
    Rule(301, ATTACHED,   no("leads_right") | is_("endpoint", "none"),
         go("detach"),    "The address does not lead to the leader, or the provider no longer has it"),

    # 600: destroying
    Rule(601, DESTROYING, is_("endpoint", "none"),
         go("bury"),      "The provider has no such address any more"),
    Rule(603, DESTROYING, ~is_("endpoint", "none"),
         do("release"),   "The address is given back to the provider"),

    # 900: nothing to do
    Rule(901, ANY,        always,
         WAIT,            "Nothing to do"),
)  # fmt: skip
