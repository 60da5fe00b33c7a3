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

version_there = named("it has the version that it is to have", no("upgrades") | is_("job", "done") | yes("handed_over"))
EARLY = (PLANNED, WAITING_FOR_WINDOW, PREPARING)

LIFE = (
    # row  in state            when the facts say             then                  because
    Rule(101, (*EARLY, NEEDS_HUMAN), no("placed"), go("cancel"), "its resource is being destroyed"),
    Rule(111, EARLY, asked("cancel"), go("cancel"), "asked for, and nothing was done yet"),
    Rule(112, (FENCING, PROMOTING, NEEDS_HUMAN), yes("lost") & yes("planned") & no("handed_over"), do("fail_over"), "its old leader can't be let go on: a failover takes its place"),
    Rule(113, FENCING, asked("cancel") & no("proven"), do("roll_back"), "asked for: the old leader goes on"),
    Rule(114, PROMOTING, asked("cancel") & no("handed_over") & (no("upgrades") | is_("server_state", "down")), do("roll_back"), "asked for: nobody else leads yet, and the old leader goes on"),
    Rule(115, (PROMOTING, REPOINTING, FENCING), asked("cancel"), do("refuse"), "the old leader is fenced: forward is the only way"),
    Rule(117, NEEDS_HUMAN, asked("cancel") & no("handed_over"), do("roll_back"), "asked for: the old leader goes on if it can"),
    Rule(119, NEEDS_HUMAN, asked("cancel"), do("refuse"), "The new leader leads by our records already: ask for retry, or fail over"),
    Rule(121, NEEDS_HUMAN, asked("retry"), go("retry"), "a person says that it will work now"),
    Rule(123, (PREPARING, FENCING, PROMOTING, REPOINTING), asked("retry"), do("fulfil"), "it is being tried"),
    Rule(125, (PREPARING, FENCING, PROMOTING, NEEDS_HUMAN), yes("rolled_back"), go("cancel"), "the old leader goes on"),
    Rule(127, NEEDS_HUMAN, no("planned") & no("proven") & is_("instance_state", "available"), do("roll_back"), "the old leader answers again"),
    Rule(201, PLANNED, no("window_open"), go("wait"), "it was asked for at another time"),
    Rule(203, (PLANNED, WAITING_FOR_WINDOW), yes("window_open"), go("prepare"), "it is time"),
    Rule(301, (PREPARING, FENCING), yes("refused") & yes("planned") & no("proven"), do("roll_back"), "it can't be done now, and nobody has to suffer for it"),
    Rule(303, (PREPARING, FENCING), yes("refused") & no("proven"), go("give_up"), "it can't be done without a person's word"),
    Rule(309, PREPARING, yes("planned") & no("ready") & is_("target_state", "creating"), WAIT, "its new leader is being built, and the old one serves and is protected meanwhile"),
    Rule(311, PREPARING, no("ready"), do("prepare"), "who can take over, and what would be lost?"),
    Rule(313, PREPARING, yes("ready"), go("fence"), "it is known who takes over"),
    Rule(401, FENCING, no("proven"), do("fence"), "no promotion before the old leader can't acknowledge a write"),
    Rule(403, FENCING, yes("proven"), go("promote"), "the old leader can't acknowledge a write"),
    Rule(491, PROMOTING, yes("upgrades") & no("handed_over") & is_("job", "none"), do("upgrade"), "it gets the new version before it leads"),
    Rule(493, PROMOTING, yes("upgrades") & no("handed_over") & is_("job", "running"), WAIT, "pg_upgrade is at work"),
    Rule(495, PROMOTING, yes("upgrades") & no("handed_over") & is_("job", "failed", "lost"), do("roll_back"), "pg_upgrade failed, and nobody has used it yet"),
    Rule(497, PROMOTING, yes("upgrades") & no("handed_over") & is_("server_state", "down"), do("roll_back"), "the host that was to have the new version is lost, and nobody has used it yet"),
    Rule(501, PROMOTING, no("promoted") & over("tries", 20), go("give_up"), "the new leader would not be promoted"),
    Rule(503, PROMOTING, no("promoted") & version_there, do("promote"), "it has what is to be had"),
    Rule(505, PROMOTING, yes("promoted"), go("repoint"), "it leads"),
    Rule(600, REPOINTING, no("repointed") & over("tries", 20), go("finish"), "the new leader serves, and its address finds it by its own beats"),
    Rule(601, REPOINTING, no("repointed"), do("repoint"), "customers and standbys follow the new leader"),
    Rule(603, REPOINTING, yes("repointed"), go("finish"), "its address leads there: customers have all that they waited for"),
    Rule(901, ANY, always, WAIT, "nothing to do"),
)  # fmt: skip
