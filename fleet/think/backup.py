"""What herdsite does about one backup: taken by a detached job on the host, good only when it is complete and checked.
One row a beat, first match wins."""

from fleet import policy
from fleet.conditions import always, is_, paced, under, yes
from fleet.rules import ANY, WAIT, Rule, do, go
from fleet.states import KEPT, STARTED, UPLOADING, VERIFYING

RUNNING = (STARTED, UPLOADING, VERIFYING)
TAKING = (STARTED, UPLOADING)
ended_badly = is_("job", "failed", "lost")

LIFE = (
    # row  in state   when the facts say                       then           because
    Rule(101, RUNNING, is_("instance_state", "destroying", "destroyed"), do("abandon"), "what it is of is being destroyed"),
    Rule(201, STARTED, is_("job", "none"), do("begin"), "nothing of it is on the host yet"),
    Rule(203, STARTED, is_("job", "running", "done"), go("upload"), "it is being taken"),
    Rule(204, TAKING, ended_badly & yes("superseded"), do("abandon"), "another leads now, which gets a backup of its own"),
    Rule(205, TAKING, ended_badly & ~is_("instance_state", "available"), WAIT, "what it is of does not serve: it is taken again once that does"),
    Rule(207, TAKING, ended_badly & paced(policy.PAUSES_S), do("begin_anew"), "that failed: clear it away and try again"),
    Rule(208, TAKING, ended_badly & under("tries", 3), WAIT, "that failed: it is tried again in a moment"),
    Rule(209, TAKING, ended_badly, do("abandon"), "it failed three times"),
    Rule(211, UPLOADING, is_("job", "running"), WAIT, "it is being taken"),
    Rule(213, UPLOADING, is_("job", "done"), go("verify"), "its job has ended well"),
    Rule(221, VERIFYING, yes("ssh"), do("confirm"), "what lies in the archive has the last word"),
    Rule(301, KEPT, yes("due_out"), do("remove"), "its retention is over"),
    Rule(901, ANY, always, WAIT, "nothing to do"),
)  # fmt: skip
