"""What herdsite does about a machine. One row a beat, first match wins."""

from fleet.conditions import always, asked, heard, is_, named, no, over, reached, under, yes
from fleet.rules import ANY, WAIT, Rule, do, go
from fleet.states import AVAILABLE, CREATING, DESTROYING, DOWN, RETIRING, UNCERTAIN

ALIVE = (CREATING, AVAILABLE, UNCERTAIN, DOWN, RETIRING)
IN_SERVICE = (AVAILABLE, UNCERTAIN, DOWN, RETIRING)

confirmed_down = named(
    "several workers hear nothing over SSH, nothing on it answers, nor is heard by a standby, for as long as the doubt window",
    reached("doubt_s", "doubt_window_s")
    & over("ssh_vantages", 1)
    & no("members_answer")
    & yes("vantage_sees")
    & ~heard(),
)

LIFE = (
    # row  in state           when the facts say                       then                     because
    Rule(101, ALIVE, asked("destroy") & under("members", 1), go("destroy"), "asked for, and nothing lives on it"),
    Rule(103, ALIVE, asked("destroy") & over("members", 0), do("refuse"), "things live on it: destroy or move them first"),
    Rule(105, IN_SERVICE, asked("retire"), do("retire"), "asked for"),
    Rule(107, IN_SERVICE, asked("keep"), do("keep"), "asked for"),
    Rule(201, CREATING, is_("machine", "absent"), do("create_machine"), "the provider has no such machine yet"),
    Rule(203, CREATING, is_("machine", "stopped"), do("start_machine"), "there is a machine, and it is off"),
    Rule(205, CREATING, is_("machine", "pending"), WAIT, "the provider is making it"),
    Rule(207, CREATING, (is_("machine", "running") | yes("adopted")) & no("host_key"), do("introduce"), "it runs, or its owner says so: pin its key, note where all is"),
    Rule(209, CREATING, yes("ssh"), go("come_up"), "it lets us in"),
    Rule(221, AVAILABLE, yes("retires"), go("retire"), "it goes out of service on a date"),
    Rule(223, RETIRING, no("retires"), go("keep"), "it stays in service after all"),
    Rule(301, (AVAILABLE, RETIRING), no("ssh"), go("doubt"), "one failed look is only a doubt"),
    Rule(303, (AVAILABLE, RETIRING), is_("machine", "stopped", "paused", "absent"), go("doubt"), "its provider says that it does not run"),
    Rule(311, (UNCERTAIN, DOWN), yes("ssh"), go("come_back"), "it lets us in again"),
    Rule(313, UNCERTAIN, is_("machine", "stopped", "absent"), go("go_down"), "its provider says so, which proves it"),
    Rule(315, UNCERTAIN, confirmed_down, go("go_down"), "silence from several sides for long enough"),
    Rule(317, UNCERTAIN, no("ssh"), WAIT, "in doubt: other workers look, and the provider is asked"),
    Rule(325, DOWN, no("ssh"), WAIT, "it does not let us in; looking on"),
    Rule(601, DESTROYING, is_("machine", "absent"), go("bury"), "the provider has no such machine any more"),
    Rule(602, DESTROYING, yes("adopted"), go("bury"), "it was only adopted: it stays with its owner"),
    Rule(603, DESTROYING, is_("machine", "running", "stopped", "paused", "pending"), do("destroy_machine"), "it is still there"),
    Rule(901, ANY, always, WAIT, "nothing to do"),
)  # fmt: skip
