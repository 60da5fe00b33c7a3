"""What herdsite does about one line of WAL history and its archive. One row a beat, first match wins."""

from fleet import policy
from fleet.conditions import always, asked, is_, no, over, under, yes
from fleet.rules import ANY, WAIT, Rule, do, go
from fleet.states import CLOSED, OPEN

LIFE = (
    # row, in state           when the facts say
    #      then               because

    # 100: closing
    # Before all others: what is written no more gets no more backups.
    Rule(101, OPEN,           yes("superseded") & no("backup_runs"),
         go("close"),         "Another instance leads: this timeline gets no more WAL"),

    # 200: preparing the archive
    Rule(200, OPEN,           no("prepared") & is_("changeover", "open"),
         WAIT,                "A changeover is open and goes first: the archive is prepared after it"),
    Rule(201, OPEN,           no("prepared") & is_("writer_state", "available", "uncertain"),
         do("prepare"),       "The timeline has no place in the archive yet"),
    Rule(203, OPEN,           no("prepared"),
         WAIT,                "The instance that writes this timeline is being built"),

    # 300: base backups, restore drills, retention
    # Before the rows that begin one: one base backup at a time.
    Rule(301, OPEN,           yes("backup_runs"),
         WAIT,                "A base backup is running"),
    Rule(303, OPEN,           asked("backup") & is_("writer_state", "available"),
         do("take_backup"),   "Take a backup was requested"),
    Rule(311, OPEN,           yes("prepared") & under("backups", 1) & is_("writer_state", "available"),
         do("take_backup"),   "No base backup exists yet: without one no restore to a time is possible"),
    Rule(313, OPEN,           over("backup_age_s", policy.BACKUP_EVERY_S) & is_("writer_state", "available"),
         do("take_backup"),   "The last base backup is a day old"),
    Rule(315, (OPEN, CLOSED), yes("drilling") & is_("job", "none"),
         do("drill"),         "The restore drill was interrupted before it began"),
    Rule(317, (OPEN, CLOSED), yes("drilling") & is_("job", "done", "failed", "lost"),
         do("judge_drill"),   "The restore drill has ended: its result is judged"),
    Rule(319, OPEN,           (asked("drill") | yes("drill_due")) & no("drilling") & over("backups", 0),
         do("drill"),         "A restore drill is due: only a restore that was tried proves that the archive is good"),
    Rule(321, (OPEN, CLOSED), yes("expirable"),
         do("expire_old"),    "A later base backup covers the whole retention period"),

    # 400: closed
    Rule(401, CLOSED,         asked("backup") | asked("drill"),
         do("refuse"),        "This timeline is closed: ask for it on the timeline of the present leader"),
    Rule(411, CLOSED,         no("kept") & yes("prepared"),
         do("drop"),          "The retention period is over, and no other timeline needs this one"),
    Rule(413, CLOSED,         no("kept"),
         go("expire"),        "Nothing of this timeline is left in the archive"),

    # 900: nothing to do
    Rule(901, ANY,            always,
         WAIT,                "Nothing to do"),
)  # fmt: skip
