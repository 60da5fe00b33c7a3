"""What herdsite does about one incident: one row a beat, first match wins. A person is called in exactly three cases:
no playbook is left that may act by itself (131), it stays too long in one state (123), or code of ours raised (121).
"""

# ruff: noqa: E501 - a row of a table is a line

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
    # row  in state    when the facts say                          then            because
    Rule(101, OPEN, yes("subject_gone"), go("resolve"), "what it was about is no more"),
    Rule(103, OPEN, no("alarm"), go("resolve"), "its alarm has closed"),
    Rule(111, WORKING, yes("under_cause") & no("way_out"), go("wait"), "it hangs under another one, which is worked on first"),
    Rule(113, WAITING, yes("under_cause") & no("way_out"), WAIT, "it hangs under another one"),
    Rule(121, BY_ITSELF, yes("raised"), go("escalate"), "its playbook raised an error of ours"),
    Rule(123, BY_ITSELF, reached("state_s", "patience_s"), go("escalate"), "it has been in this state for too long"),
    Rule(131, WORKING, is_("playbook", "none", "ask"), go("escalate"), "no playbook is left that may act by itself"),
    Rule(133, WORKING, is_("server_state", "uncertain", "down") & no("way_out"), WAIT, "its server is in doubt: nothing can be done there"),
    Rule(135, (TRIGGERED, WAITING), yes("locked"), WAIT, "another incident's playbook works on the same thing"),
    Rule(141, TRIGGERED, is_("playbook", "act"), go("begin"), "there is a playbook for it"),
    Rule(143, WAITING, over("wait_s", 0), WAIT, "its time has not come"),
    Rule(145, WAITING, no("under_cause") | yes("way_out"), go("begin"), "its time has come"),
    Rule(151, RESOLVING, over("wait_s", SHORT_S), go("wait"), "the next step has time"),
    Rule(153, RESOLVING, over("wait_s", 0), WAIT, "the last step takes effect"),
    Rule(155, RESOLVING, is_("playbook", "act"), do("step"), "the next step of its playbook"),
    Rule(901, ANY, always, WAIT, "nothing to do"),
)  # fmt: skip
