"""How leadership moves: fence before promote, prove before both. Every step can be cut off and is taken up by the next
beat. One row a beat, first match wins."""

from fleet.conditions import always, asked, is_, named, no, over, yes
from fleet.rules import ANY, WAIT, Rule, do, go
from fleet.states import (
    FENCING,
    NEEDS_HUMAN,
    PLANNED,
    PREPARING,
    PROMOTING,
    REPOINTING,
    WAITING_FOR_WINDOW,
)

EARLY = (PLANNED, WAITING_FOR_WINDOW, PREPARING)
RUNNING = (PREPARING, FENCING, PROMOTING, REPOINTING)
TOO_LATE = (PROMOTING, REPOINTING, FENCING)
GONE_WRONG = (FENCING, PROMOTING, NEEDS_HUMAN)
GOING_BACK = (PREPARING, *GONE_WRONG)

version_there = named(
    "the new leader has its version of PostgreSQL", no("upgrades") | is_("job", "done") | yes("handed_over")
)
ended_badly = is_("job", "failed", "lost")
upgrading = yes("upgrades") & no("handed_over")
# The old leader still has the version that its customers use, or nothing else is left.
may_go_back = no("upgrades") | is_("server_state", "down")

LIFE = (
    # row, in state                          when the facts say
    #      then                              because

    # 100: what was requested, and what ends a changeover early
    Rule(101, (*EARLY, NEEDS_HUMAN),         no("placed"),
         go("cancel"),                       "The database is being destroyed"),
    Rule(111, EARLY,                         asked("cancel"),
         go("cancel"),                       "Cancel was requested, and nothing has been done yet"),
    # Before the rows for cancel: a leader that is lost can't be rolled back to.
    Rule(112, GONE_WRONG,                    yes("lost") & yes("planned") & no("handed_over"),
         do("fail_over"),                    "The old leader is not known to carry on: a failover replaces this "
                                             "planned changeover"),
    Rule(113, FENCING,                       asked("cancel") & no("proven"),
         do("roll_back"),                    "Cancel was requested: the old leader is told to carry on"),
    Rule(114, PROMOTING,                     asked("cancel") & no("handed_over") & may_go_back,
         do("roll_back"),                    "Cancel was requested and no other instance leads yet: the old leader "
                                             "is told to carry on"),
    Rule(115, TOO_LATE,                      asked("cancel"),
         do("refuse"),                       "Cancel comes too late: the old leader is fenced, and the changeover "
                                             "has to be finished"),
    # Before 119: a changeover is rolled back only as long as herdsite's records name the old leader.
    Rule(117, NEEDS_HUMAN,                   asked("cancel") & no("handed_over"),
         do("roll_back"),                    "Cancel was requested: the old leader is told to carry on"),
    Rule(119, NEEDS_HUMAN,                   asked("cancel"),
         do("refuse"),                       "Cancel comes too late: herdsite's records name the new leader already. "
                                             "Ask for retry, or fail over"),
    Rule(121, NEEDS_HUMAN,                   asked("retry"),
         go("retry"),                        "Retry was requested"),
    Rule(123, RUNNING,                       asked("retry"),
         do("fulfil"),                       "The changeover is running already"),
    Rule(125, GOING_BACK,                    yes("rolled_back"),
         go("cancel"),                       "Nothing was promoted, and what was prepared is undone"),
    Rule(127, NEEDS_HUMAN,                   no("planned") & no("proven") & is_("instance_state", "available"),
         do("roll_back"),                    "The old leader answers again: the failover is not needed"),

    # 200: waiting for its time
    Rule(201, PLANNED,                       no("window_open"),
         go("wait"),                         "The changeover has a later start time, or waits for the maintenance "
                                             "window"),
    Rule(203, (PLANNED, WAITING_FOR_WINDOW), yes("window_open"),
         go("prepare"),                      "The start time has come"),

    # 300: preparing: choose the new leader
    # Before 303: a planned changeover that is refused costs nothing, a failover that is refused needs a decision.
    Rule(301, (PREPARING, FENCING),          yes("refused") & yes("planned") & no("proven"),
         do("roll_back"),                    "The planned changeover can't be done now: the old leader is told to "
                                             "carry on"),
    Rule(303, (PREPARING, FENCING),          yes("refused") & no("proven"),
         go("give_up"),                      "The changeover can't go on without a person's decision"),
    Rule(309, PREPARING,                     yes("planned") & no("ready") & is_("target_state", "creating"),
         WAIT,                               "The new leader is still being built; the old leader serves and stays "
                                             "protected meanwhile"),
    Rule(311, PREPARING,                     no("ready"),
         do("prepare"),                      "The new leader has to be chosen, and the possible loss measured"),
    Rule(313, PREPARING,                     yes("ready"),
         go("fence"),                        "The new leader is chosen and ready"),

    # 400: fencing: prove that the old leader is silent; from 491 on, bring the new leader to another version
    Rule(401, FENCING,                       no("proven"),
         do("fence"),                        "Fencing comes before promotion: the old leader must not be able to "
                                             "acknowledge a write"),
    Rule(403, FENCING,                       yes("proven"),
         go("promote"),                      "The old leader is proven unable to acknowledge a write"),
    # Before 503: a new leader that is promoted can't be upgraded without cutting connections again.
    Rule(491, PROMOTING,                     upgrading & is_("job", "none"),
         do("upgrade"),                      "The new leader gets the new version of PostgreSQL before it leads"),
    Rule(493, PROMOTING,                     upgrading & is_("job", "running"),
         WAIT,                               "pg_upgrade is running"),
    Rule(495, PROMOTING,                     upgrading & ended_badly,
         do("roll_back"),                    "pg_upgrade failed before any customer used the new version: the old "
                                             "leader is told to carry on"),
    Rule(497, PROMOTING,                     upgrading & is_("server_state", "down"),
         do("roll_back"),                    "The host with the new version was lost before any customer used it: "
                                             "the old leader is told to carry on"),

    # 500: promoting
    Rule(501, PROMOTING,                     no("promoted") & over("tries", 20),
         go("give_up"),                      "PostgreSQL was not promoted in 20 tries"),
    Rule(503, PROMOTING,                     no("promoted") & version_there,
         do("promote"),                      "The new leader is fenced off from the old one and may be promoted"),
    Rule(505, PROMOTING,                     yes("promoted"),
         go("repoint"),                      "The new leader accepts writes"),

    # 600: repointing
    Rule(600, REPOINTING,                    no("repointed") & over("tries", 20),
         go("finish"),                       "The new leader serves; its address is moved by the beats of the address"),
    Rule(601, REPOINTING,                    no("repointed"),
         do("repoint"),                      "Customers and standbys have to follow the new leader"),
    Rule(603, REPOINTING,                    yes("repointed"),
         go("finish"),                       "Customers and standbys follow the new leader"),

    # 900: nothing to do
    Rule(901, ANY,                           always,
         WAIT,                               "Nothing to do"),
)  # fmt: skip
