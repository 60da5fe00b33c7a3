"""What herdsite does about one line of WAL history and its archive. One row a beat, first match wins."""

from fleet import policy
from fleet.conditions import always, asked, is_, no, over, under, yes
from fleet.rules import ANY, WAIT, Rule, do, go
from fleet.states import CLOSED, OPEN

LIFE = (
    # row  in state  when the facts say                              then                because
    Rule(101, OPEN, yes("superseded") & no("backup_runs"), go("close"), "another instance leads: it is written no more"),
    Rule(200, OPEN, no("prepared") & is_("changeover", "open"), WAIT, "customers come first: its writer is about to lead"),
    Rule(201, OPEN, no("prepared") & is_("writer_state", "available", "uncertain"), do("prepare"), "it has no place in the archive yet"),
    Rule(203, OPEN, no("prepared"), WAIT, "its writer is being built"),
    Rule(301, OPEN, yes("backup_runs"), WAIT, "a base backup is under way"),
    Rule(303, OPEN, asked("backup") & is_("writer_state", "available"), do("take_backup"), "asked for"),
    Rule(311, OPEN, yes("prepared") & under("backups", 1) & is_("writer_state", "available"), do("take_backup"), "there is no going back in time without a base backup"),
    Rule(313, OPEN, over("backup_age_s", policy.BACKUP_EVERY_S) & is_("writer_state", "available"), do("take_backup"), "the last one is a day old"),
    Rule(315, (OPEN, CLOSED), yes("drilling") & is_("job", "none"), do("drill"), "it was cut off before it began"),
    Rule(317, (OPEN, CLOSED), yes("drilling") & is_("job", "done", "failed", "lost"), do("judge_drill"), "what came of the drill?"),
    Rule(319, OPEN, (asked("drill") | yes("drill_due")) & no("drilling") & over("backups", 0), do("drill"), "a restore that was never tried is a hope"),
    Rule(321, (OPEN, CLOSED), yes("expirable"), do("expire_old"), "a later base backup reaches back as far as is promised"),
    Rule(401, CLOSED, asked("backup") | asked("drill"), do("refuse"), "it is written no more: ask the one that leads now"),
    Rule(411, CLOSED, no("kept") & yes("prepared"), do("drop"), "its retention is over, and no other timeline needs it"),
    Rule(413, CLOSED, no("kept"), go("expire"), "nothing of it is left in the archive"),
    Rule(901, ANY, always, WAIT, "nothing to do"),
)  # fmt: skip
