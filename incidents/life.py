"""What herdsite does about one incident: one row a beat, first match wins. A person is called in exactly three cases:
no playbook is left that may act by itself (131), it stays too long in one state (123), or code of ours raised (121).
"""

from fleet.conditions import always, is_, no, over, reached, yes
from fleet.rules import ANY, WAIT, Rule, do, go
from fleet.states import NEEDS_HUMAN, RESOLVING, TRIGGERED, WAITING

OPEN = (TRIGGERED, RESOLVING, WAITING, NEEDS_HUMAN)
WORKING = (TRIGGERED, RESOLVING)
BY_ITSELF = (TRIGGERED, RESOLVING, WAITING)

# How long it may be in a state before a person is called (s); what waits has that much past its date.
PATIENCE_S = {TRIGGERED: 300.0, RESOLVING: 900.0, WAITING: 120.0}
# What waits longer than this for one step is waiting, and leaves the thing to others meanwhile (s).
SHORT_S = 60.0

LIFE = (
    # row, in state                 when the facts say
    #      then                     because

    # 100: what ends an incident, what makes it wait, who works on it
    Rule(101, OPEN,                 yes("subject_gone"),
         go("resolve"),             "The subject of this incident does not exist any more"),
    Rule(103, OPEN,                 no("alarm"),
         go("resolve"),             "The alarm has closed"),
    # Before the rows that work: what hangs under a cause is mended by mending the cause.
    Rule(111, WORKING,              yes("under_cause") & no("way_out"),
         go("wait"),                "The cause of this incident is an incident too, and is worked on first"),
    Rule(113, WAITING,              yes("under_cause") & no("way_out"),
         WAIT,                      "The cause of this incident is still worked on"),
    # Before the rows that work: the three cases in which a person is called.
    Rule(121, BY_ITSELF,            yes("raised"),
         go("escalate"),            "The playbook raised an error in herdsite's own code"),
    Rule(123, BY_ITSELF,            reached("state_s", "patience_s"),
         go("escalate"),            "The incident has been in this state for too long"),
    Rule(131, WORKING,              is_("playbook", "none", "ask"),
         go("escalate"),            "No playbook is left that may act by itself"),
    # Before 141: nothing is begun that can't be done now.
    Rule(133, WORKING,              is_("server_state", "uncertain", "down") & no("way_out"),
         WAIT,                      "The server is in doubt: nothing can be done there"),
    Rule(135, (TRIGGERED, WAITING), yes("locked"),
         WAIT,                      "Another incident's playbook is working on the same subject"),
    Rule(141, TRIGGERED,            is_("playbook", "act"),
         go("begin"),               "A playbook is there for this incident"),
    Rule(143, WAITING,              over("wait_s", 0),
         WAIT,                      "The next step is not due yet"),
    Rule(145, WAITING,              no("under_cause") | yes("way_out"),
         go("begin"),               "The next step is due"),
    Rule(151, RESOLVING,            over("wait_s", SHORT_S),
         go("wait"),                "The next step is due later: the subject is left to other incidents meanwhile"),
    Rule(153, RESOLVING,            over("wait_s", 0),
         WAIT,                      "The last step is taking effect"),
    Rule(155, RESOLVING,            is_("playbook", "act"),
         do("step"),                "The next step of the playbook is due"),

    # 900: nothing to do
    Rule(901, ANY,                  always,
         WAIT,                      "Nothing to do"),
)  # fmt: skip
