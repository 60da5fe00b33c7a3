"""What herdsite does about a stable address: it leads to its resource's leader, whatever else it led to. One row a beat,
first match wins."""

from fleet.conditions import always, asked, is_, no, yes
from fleet.rules import ANY, WAIT, Rule, do, go
from fleet.states import ATTACHED, ATTACHING, DESTROYING, DETACHED

ALIVE = (DETACHED, ATTACHING, ATTACHED)

LIFE = (
    # row  in state    when the facts say                             then              because
    Rule(101, ALIVE, no("wanted"), go("destroy"), "its resource is being destroyed"),
    Rule(111, ATTACHED, asked("detach"), do("detach_it"), "asked for"),
    Rule(113, DETACHED, asked("detach"), do("fulfil"), "it is detached"),
    Rule(115, ALIVE, is_("changeover", "open"), WAIT, "its changeover moves it"),
    Rule(201, DETACHED, is_("endpoint", "none"), do("allocate"), "its provider has no such address yet"),
    Rule(203, DETACHED, is_("instance_state", "available", "uncertain"), go("attach"), "there is a leader to lead to"),
    Rule(211, ATTACHING, is_("endpoint", "none"), go("detach"), "its provider has no such address any more"),
    Rule(213, ATTACHING, yes("leads_right"), go("arrive"), "it leads to the leader"),
    Rule(215, ATTACHING, no("leads_right"), do("associate"), "it leads elsewhere, or nowhere"),
    Rule(301, ATTACHED, no("leads_right") | is_("endpoint", "none"), go("detach"), "it does not lead to the leader"),
    Rule(601, DESTROYING, is_("endpoint", "none"), go("bury"), "its provider has no such address any more"),
    Rule(603, DESTROYING, ~is_("endpoint", "none"), do("release"), "it is given back"),
    Rule(901, ANY, always, WAIT, "nothing to do"),
)  # fmt: skip
