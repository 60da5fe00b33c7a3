"""What herdsite does about one backup: taken by a detached job on the host, good only when it is complete and checked.
One row a beat, first match wins."""

from fleet import policy
from fleet.conditions import always, is_, no, paced, under, yes
from fleet.rules import ANY, WAIT, Rule, do, go
from fleet.states import KEPT, STARTED, UPLOADING, VERIFYING

RUNNING = (STARTED, UPLOADING, VERIFYING)
TAKING = (STARTED, UPLOADING)
ended_badly = is_("job", "failed", "lost")

LIFE = (
    # row, in state        when the facts say
    #      then            because

    # 100: the instance goes away
    Rule(101, RUNNING,     is_("instance_state", "destroying", "destroyed"),
         do("abandon"),    "The instance that this backup is taken from is being destroyed"),

    # 200: taking and checking
    Rule(201, STARTED,     is_("job", "none"),
         do("begin"),      "The backup job has not been started yet"),
    Rule(203, STARTED,     is_("job", "running", "done"),
         go("upload"),     "The backup job runs"),
    # Before the rows that try again: a leader that was replaced is not backed up any more.
    Rule(204, TAKING,      ended_badly & yes("superseded"),
         do("abandon"),    "Another instance leads now, and gets a base backup of its own"),
    Rule(205, TAKING,      ended_badly & (~is_("instance_state", "available") | is_("stopped", "now")),
         WAIT,             "The instance is not available: the backup is taken again when it is"),
    # What a changeover stopped has failed by no fault of its own: that try is not counted (policy.tries).
    Rule(206, TAKING,      ended_badly & is_("stopped", "before"),
         do("begin_anew"), "A changeover stopped the instance: the backup is taken again, and that try does not count"),
    Rule(207, TAKING,      ended_badly & paced(policy.PAUSES_S),
         do("begin_anew"), "The backup failed: its remains are removed and it is tried again"),
    Rule(208, TAKING,      ended_badly & under("tries", 3),
         WAIT,             "The backup failed: the next try follows after a pause"),
    Rule(209, TAKING,      ended_badly,
         do("abandon"),    "The backup failed three times"),
    Rule(211, UPLOADING,   is_("job", "running"),
         WAIT,             "The backup job runs"),
    Rule(213, UPLOADING,   is_("job", "done"),
         go("verify"),     "The backup job ended without an error"),
    Rule(221, VERIFYING,   yes("ssh"),
         do("confirm"),    "A backup counts only when its files in the archive are complete and checked"),

    # 300: kept
    # A backup that is being loaded is not removed under its trial.
    Rule(301, KEPT,        yes("due_out") & no("trying"),
         do("remove"),     "The retention period of this backup is over"),
    Rule(311, KEPT,        yes("trying") & is_("job", "none"),
         do("try_load"),   "The trial load was interrupted before its job began: it starts again"),
    Rule(313, KEPT,        yes("trying") & is_("job", "done", "failed", "lost"),
         do("judge_trial"), "The trial load has ended: its result is compared and recorded"),
    Rule(315, KEPT,        yes("trying"),
         WAIT,             "The trial load runs"),
    Rule(317, KEPT,        yes("trial_due"),
         do("try_load"),   "A trial load of the newest logical backup is due"),

    # 900: nothing to do
    Rule(901, ANY,         always,
         WAIT,             "Nothing to do"),
)  # fmt: skip
