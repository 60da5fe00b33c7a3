"""What herdsite does about a database as its customer sees it. One row a beat, first match wins."""

from fleet.conditions import Condition, always, asked, is_, named, no, over, reached, under, yes
from fleet.rules import ANY, WAIT, Rule, do, go
from fleet.states import (
    AVAILABLE,
    CHANGING_OVER,
    CREATING,
    DESTROYING,
    DOWN,
    MAINTENANCE,
    PLANNED,
    PREPARING,
    UNCERTAIN,
    WAITING_FOR_WINDOW,
)

SERVING = (AVAILABLE, UNCERTAIN, DOWN)
# A changeover that has done nothing to its leader yet.
EARLY = (PLANNED, WAITING_FOR_WINDOW, PREPARING)
ALIVE = (CREATING, *SERVING, MAINTENANCE)

# A follower is read only by its nature. As long as it is not known to be one, the graver case counts.
_WRITES = ("follows", "read_only", "in_recovery")
takes_no_writes = Condition(
    "it lets its customer in and takes no writes, though it follows nobody",
    _WRITES,
    lambda facts: facts["follows"] is not True and (facts["read_only"] is True or facts["in_recovery"] is True),
)
serves = named("its customer can get in and write", yes("service_available") & ~takes_no_writes)
# Nobody of ours sets these; and whoever changes his own password leaves ours behind.
own_doing = Condition(
    "its customer has set what keeps herdsite out: another password, a limit of no connections, …",
    ("service_code", "closed"),
    lambda facts: facts["service_code"] == "28P01" or bool(facts["closed"]),
)
locked_out = named(f"{own_doing}", own_doing & is_("instance_state", "available"))
explained = named(
    "no answer, and the instance beneath is down, stopped or fenced",
    ~serves & is_("instance_state", "down", "stopped", "fenced"),
)
confirmed_down = named(
    "several workers can't get in, for as long as the doubt window",
    no("service_available") & reached("doubt_s", "doubt_window_s") & over("sql_vantages", 1) & yes("vantage_sees"),
)
not_yet, under_way, did, did_not = (is_("handed", word) for word in ("none", "open", "done", "refused"))
moving = asked("failover") | asked("switchover") | asked("resize") | asked("restore") | asked("upgrade")
in_place = named("asked for another plan of those that share an instance", asked("resize") & no("own_instance"))
power = asked("restart") | asked("stop") | asked("start")

LIFE = (
    # row  in state       when the facts say               then                     because
    Rule(101, ALIVE, asked("destroy"), go("destroy"), "asked for"),
    Rule(111, (*SERVING, MAINTENANCE), power & not_yet, do("hand_down"), "asked for: its instance has to do it"),
    Rule(113, (*SERVING, MAINTENANCE), power & under_way & ~is_("instance_state", "down"), WAIT, "its instance is at it"),
    Rule(115, (*SERVING, MAINTENANCE), power & did_not, do("refuse"), "its instance could not"),
    Rule(117, SERVING, asked("stop") & did, go("enter_maintenance"), "its instance is stopped"),
    Rule(119, MAINTENANCE, asked("stop") & did, do("fulfil"), "it is stopped"),
    Rule(121, MAINTENANCE, asked("start") & did, go("leave_maintenance"), "its instance runs again"),
    Rule(123, SERVING, (asked("restart") | asked("start")) & did & yes("service_available"), do("fulfil"), "its customer can get in again"),
    Rule(129, AVAILABLE, in_place & is_("instance_state", "available"), do("resize_in_place"), "asked for: the plans that share an instance differ in limits alone"),
    Rule(131, (*SERVING, MAINTENANCE), moving & ~in_place & is_("moved", "none"), do("change_over"), "asked for"),
    Rule(133, (*SERVING, MAINTENANCE), moving & is_("moved", "done"), do("fulfil"), "it has changed over"),
    Rule(135, (*SERVING, MAINTENANCE), moving & is_("moved", "cancelled"), do("refuse_move"), "it could not change over"),
    Rule(137, (*SERVING, MAINTENANCE), asked("unfollow"), do("unfollow"), "asked for"),
    Rule(138, SERVING, asked("rotate") & is_("instance_state", "available"), do("rotate"), "asked for"),
    Rule(139, MAINTENANCE, asked("rotate"), do("refuse"), "PostgreSQL is stopped: start it, then rotate the password"),
    Rule(140, CREATING, power | moving | asked("unfollow") | asked("rotate"), do("refuse"), "it is being built: wait until it is there"),
    Rule(141, SERVING, asked("backup"), do("backup"), "asked for: its timeline has to do it"),
    Rule(143, (CREATING, MAINTENANCE, CHANGING_OVER), asked("backup"), do("refuse"), "it does not serve: ask again when it does"),
    Rule(151, AVAILABLE, asked("dump") & is_("instance_state", "available"), do("dump"), "asked for"),
    Rule(153, AVAILABLE, asked("load") & is_("instance_state", "available") & is_("job", "none"), do("load"), "asked for"),
    Rule(155, AVAILABLE, asked("load") & is_("job", "done"), do("finish_load"), "its new content is there, whole"),
    Rule(157, AVAILABLE, asked("load") & is_("job", "lost") & under("asked_s", 86_400), do("load_again"), "what was to fill it died: the old content is there"),
    Rule(159, AVAILABLE, asked("load") & is_("job", "failed", "lost"), do("abandon_load"), "it failed, and the old content is there"),
    Rule(161, (CREATING, MAINTENANCE), asked("dump") | asked("load"), do("refuse"), "it does not serve: ask again when it does"),
    Rule(201, CREATING, no("placed"), do("place"), "find it a server with room, or a shared instance"),
    Rule(203, CREATING, is_("instance_state", "creating"), WAIT, "its instance is being built"),
    Rule(205, CREATING, is_("instance_state", "available") & no("service_available") & no("copied"), do("create_database"), "its instance is there, its database is not"),
    Rule(207, CREATING, serves, go("come_up"), "its customer can get in"),
    Rule(300, AVAILABLE, no("service_available") & locked_out, WAIT, "Its customer has set what keeps herdsite out: the customer is told, and nothing is taken from it"),
    Rule(301, AVAILABLE, no("service_available"), go("doubt"), "one failed look is only a doubt"),
    Rule(303, AVAILABLE, takes_no_writes, go("doubt"), "It answers and takes no writes: one such look is only a doubt"),
    Rule(310, (UNCERTAIN, DOWN), no("service_available") & locked_out, go("come_back"), "Its customer has set what keeps herdsite out, and its instance serves"),
    Rule(311, (UNCERTAIN, DOWN), serves, go("come_back"), "its customer can get in again"),
    Rule(313, UNCERTAIN, explained, go("go_down"), "what is beneath it does not serve"),
    Rule(315, UNCERTAIN, confirmed_down, go("go_down"), "its customer can't get in, seen from several sides"),
    Rule(316, UNCERTAIN, yes("service_available") & takes_no_writes & reached("state_s", "doubt_window_s"), go("go_down"), "It answers and takes no writes, for as long as the doubt window"),
    Rule(317, UNCERTAIN, ~serves, WAIT, "in doubt: other workers look"),
    Rule(325, DOWN, ~serves, WAIT, "its customer still can't get in, or write; looking on"),
    Rule(400, CHANGING_OVER, asked("failover") & is_("moved", "none"), do("change_over"), "asked for: it supersedes what does not get on"),
    Rule(401, CHANGING_OVER, is_("changeover", "none") & serves, go("finish_changeover"), "its changeover is over, and its customer can get in"),
    Rule(403, CHANGING_OVER, is_("changeover", "none") & ~serves, go("abandon_changeover"), "its changeover is over, and its customer can't get in"),
    Rule(405, CHANGING_OVER, always, WAIT, "its changeover is under way"),
    Rule(501, (AVAILABLE, UNCERTAIN, DOWN), over("standbys_missing", 0) & is_("changeover", "none", *EARLY) & is_("instance_state", "available"), do("add_standby"), "its plan promises a standby"),
    Rule(503, AVAILABLE, over("standbys_idle", 0) & is_("changeover", "none"), do("drop_standby"), "more standbys than its plan promises"),
    Rule(511, AVAILABLE, yes("address_missing"), do("reserve_address"), "its plan promises an address that stays"),
    Rule(521, AVAILABLE, yes("dump_due") & is_("instance_state", "available"), do("dump"), "its plan promises a logical backup a day"),
    Rule(601, DESTROYING, no("placed"), go("bury"), "it never had an instance"),
    Rule(603, DESTROYING, is_("instance_state", "destroyed"), go("bury"), "its instance is gone"),
    Rule(605, DESTROYING, yes("own_instance") & is_("instance_state", "destroying"), WAIT, "its instance is being destroyed"),
    Rule(607, DESTROYING, yes("own_instance") & not_yet, do("hand_down"), "its instance goes with it"),
    Rule(609, DESTROYING, no("own_instance") & yes("dropped"), go("bury"), "its database and role are gone"),
    Rule(611, DESTROYING, no("own_instance") & is_("instance_state", "available"), do("drop_database"), "its neighbours stay"),
    Rule(901, ANY, always, WAIT, "nothing to do"),
)  # fmt: skip
