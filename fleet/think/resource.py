"""What herdsite does about a database as its customer sees it. One row a beat, first match wins."""

from collections.abc import Mapping
from typing import Any

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
KEPT_UP = (*SERVING, MAINTENANCE)
ALIVE = (CREATING, *KEPT_UP)
UNWELL = (UNCERTAIN, DOWN)
AWAY = (CREATING, MAINTENANCE, CHANGING_OVER)

# A follower is read only by its nature. As long as it is not known to be one, the graver case counts.
_WRITES = ("follows", "read_only", "in_recovery")
takes_no_writes = Condition(
    "customers can log in and can't write, though the database is no follower",
    _WRITES,
    lambda facts: facts["follows"] is not True and (facts["read_only"] is True or facts["in_recovery"] is True),
)
instance_serves = is_("instance_state", "available")
serves = named("customers can log in and write", yes("service_available") & ~takes_no_writes)


def _own_doing(facts: Mapping[str, Any]) -> bool | None:
    """A login that failed without a code (nothing answered) is no doing of the customer's; no login says nothing."""
    if facts["service_available"] is None:
        return None
    if facts["suspended"] is True:
        return False
    return facts["service_code"] == "28P01" or bool(facts["closed"])


# Nobody of ours sets these; and whoever changes his own password leaves ours behind.
own_doing = Condition(
    "the customer's own setting keeps herdsite out: another password, no connections allowed, …",
    ("service_available", "service_code", "closed", "suspended"),
    _own_doing,
)
# What says so is alive; whether it is its own limit or its instance's, nothing is mended by a restart or a move.
NO_LOCKS, NO_CONNECTIONS = "53200", "53300"
no_room = named(
    "PostgreSQL answers and has no locks or no connections left for another session",
    no("service_available") & is_("service_code", NO_LOCKS, NO_CONNECTIONS) & ~own_doing,
)
locked_out = named(f"{own_doing}", own_doing & instance_serves)
explained = named(
    "the database does not serve, and its instance is down, stopped or fenced",
    ~serves & is_("instance_state", "down", "stopped", "fenced"),
)
confirmed_down = named(
    "several workers can't log in, for the whole doubt window",
    no("service_available") & reached("doubt_s", "doubt_window_s") & over("sql_vantages", 1) & yes("vantage_sees"),
)
for_long = reached("state_s", "doubt_window_s")
not_yet, under_way, did, did_not = (is_("handed", word) for word in ("none", "open", "done", "refused"))
no_move_begun = is_("changeover", "none", *EARLY)
moving = asked("failover") | asked("switchover") | asked("resize") | asked("restore") | asked("upgrade")
in_place = named("asked for another plan, and the instance is shared", asked("resize") & no("own_instance"))
power = asked("restart") | asked("stop") | asked("start")

LIFE = (
    # row, in state                    when the facts say
    #      then                        because

    # 100: what was requested
    Rule(101, ALIVE,                   asked("destroy"),
         go("destroy"),                "Destroy was requested"),
    Rule(111, KEPT_UP,                 power & not_yet,
         do("hand_down"),              "The request is passed on to the instance of this database"),
    Rule(113, KEPT_UP,                 power & under_way & ~is_("instance_state", "down"),
         WAIT,                         "The instance is carrying out the request"),
    Rule(115, KEPT_UP,                 power & did_not,
         do("refuse"),                 "The instance could not carry out the request"),
    Rule(117, SERVING,                 asked("stop") & did,
         go("enter_maintenance"),      "The instance was stopped"),
    Rule(119, MAINTENANCE,             asked("stop") & did,
         do("fulfil"),                 "The instance is stopped"),
    Rule(121, MAINTENANCE,             asked("start") & did,
         go("leave_maintenance"),      "The instance runs again"),
    Rule(123, SERVING,                 (asked("restart") | asked("start")) & did & yes("service_available"),
         do("fulfil"),                 "Customers can log in again"),
    # Before 131: the resize of a shared database moves nothing.
    Rule(129, AVAILABLE,               in_place & instance_serves,
         do("resize_in_place"),        "Resize was requested: plans that share an instance differ only in their "
                                       "limits"),
    Rule(131, KEPT_UP,                 moving & ~in_place & is_("moved", "none"),
         do("change_over"),            "The request needs a changeover"),
    Rule(133, KEPT_UP,                 moving & is_("moved", "done"),
         do("fulfil"),                 "The changeover is done"),
    Rule(135, KEPT_UP,                 moving & is_("moved", "cancelled"),
         do("refuse_move"),            "The changeover was cancelled"),
    Rule(137, KEPT_UP,                 asked("unfollow"),
         do("unfollow"),               "Promote was requested: the follower becomes a database of its own"),
    Rule(138, SERVING,                 asked("rotate") & instance_serves,
         do("rotate"),                 "Rotate password was requested"),
    Rule(139, MAINTENANCE,             asked("rotate"),
         do("refuse"),                 "PostgreSQL is stopped: start it, then rotate the password"),
    Rule(140, CREATING,                power | moving | asked("unfollow") | asked("rotate"),
         do("refuse"),                 "The database is being created: ask again when it is available"),
    Rule(141, SERVING,                 asked("backup"),
         do("backup"),                 "Take a backup was requested: the timeline of this database takes it"),
    Rule(143, AWAY,                    asked("backup"),
         do("refuse"),                 "The database is not available: ask again when it is"),
    Rule(145, SERVING,                 asked("lift") & instance_serves,
         do("lift"),                   "The end of the suspension was requested"),
    # In any state: what the records take for under way may be over for long.
    Rule(147, (*KEPT_UP, CHANGING_OVER), asked("believe") & is_("hosts_say", "waits"),
         WAIT,                         "Each instance is looked at once more before the hosts are believed"),
    Rule(149, (*KEPT_UP, CHANGING_OVER), asked("believe"),
         do("believe"),                "A person trusts the hosts about which instance leads: herdsite's records are "
                                       "older"),
    Rule(151, AVAILABLE,               asked("dump") & instance_serves,
         do("dump"),                   "A logical backup was requested"),
    Rule(153, AVAILABLE,               asked("load") & instance_serves & is_("job", "none"),
         do("load"),                   "Load was requested"),
    Rule(154, AVAILABLE,               asked("load") & is_("job", "running") & over("leaves_out", 0) & no("load_told"),
         do("tell_load"),              "Parts of the dump can't be loaded here: the answer lists them before the rows "
                                       "are loaded"),
    Rule(155, AVAILABLE,               asked("load") & is_("job", "done"),
         do("finish_load"),            "The new contents are loaded and complete"),
    Rule(157, AVAILABLE,               asked("load") & is_("job", "lost") & under("asked_s", 86_400),
         do("load_again"),             "The load was interrupted and the old contents are in place: it starts again"),
    Rule(159, AVAILABLE,               asked("load") & is_("job", "failed", "lost"),
         do("abandon_load"),           "The load failed, and the old contents are in place"),
    Rule(161, (CREATING, MAINTENANCE), asked("dump") | asked("load"),
         do("refuse"),                 "The database is not available: ask again when it is"),

    # 200: creating
    Rule(201, CREATING,                no("placed"),
         do("place"),                  "The database needs a server with room, or a shared instance"),
    Rule(203, CREATING,                is_("instance_state", "creating"),
         WAIT,                         "The instance is being built"),
    Rule(205, CREATING,                instance_serves & no("service_available") & no("copied"),
         do("create_database"),        "The instance is available, and the database does not exist on it yet"),
    Rule(207, CREATING,                serves,
         go("come_up"),                "Customers can log in"),

    # 300: doubt, verdict, return
    # Before the rows that look at logins: a suspension ends by itself.
    Rule(295, AVAILABLE,               yes("suspended") & under("suspension_s", 1) & instance_serves,
         do("lift"),                   "The suspension is over: the owner can log in again"),
    Rule(296, AVAILABLE,               no("service_available") & yes("suspended"),
         WAIT,                         "herdsite has suspended the database, so that its owner can't log in: that is "
                                       "no failure"),
    # Before 301: neither a failover nor a restart makes room for long.
    Rule(298, AVAILABLE,               no_room,
         WAIT,                         "PostgreSQL refuses another session, because locks or connections are used up: "
                                       "PostgreSQL is alive, and the database is not in doubt"),
    # Before 301: a customer who locks herdsite out is not a database in doubt.
    Rule(300, AVAILABLE,               no("service_available") & locked_out,
         WAIT,                         "The customer's own setting keeps herdsite out: the customer is told, and the "
                                       "database stays available"),
    Rule(301, AVAILABLE,               no("service_available"),
         go("doubt"),                  "A failed look is only a doubt: other workers look before any verdict"),
    Rule(303, AVAILABLE,               takes_no_writes,
         go("doubt"),                  "The database answers and accepts no writes: one such look is only a doubt"),
    Rule(307, UNWELL,                  no("service_available") & yes("suspended") & instance_serves,
         go("come_back"),              "herdsite has suspended the database, and its instance serves"),
    Rule(308, UNWELL,                  no_room & instance_serves,
         go("come_back"),              "PostgreSQL answers: it refuses another session, because locks or connections "
                                       "are used up"),
    Rule(310, UNWELL,                  no("service_available") & locked_out,
         go("come_back"),              "The customer's own setting keeps herdsite out, and the instance serves"),
    Rule(311, UNWELL,                  serves,
         go("come_back"),              "Customers can log in again"),
    # Before 315: what the instance is proven to be needs no second opinion.
    Rule(313, UNCERTAIN,               explained,
         go("go_down"),                "The instance of this database does not serve"),
    Rule(315, UNCERTAIN,               confirmed_down,
         go("go_down"),                "Several workers failed to log in for the whole doubt window"),
    Rule(316, UNCERTAIN,               yes("service_available") & takes_no_writes & for_long,
         go("go_down"),                "The database answers, and accepted no writes for the whole doubt window"),
    Rule(317, UNCERTAIN,               ~serves,
         WAIT,                         "The database is in doubt: other workers look"),
    Rule(325, DOWN,                    ~serves,
         WAIT,                         "Customers still can't log in, or can't write: checks continue"),

    # 400: a changeover is running
    # Before the rows that end a changeover: a failover must not wait for one that makes no progress.
    Rule(400, CHANGING_OVER,           asked("failover") & is_("moved", "none"),
         do("change_over"),            "Failover was requested: it replaces the changeover that makes no progress"),
    Rule(401, CHANGING_OVER,           is_("changeover", "none") & serves,
         go("finish_changeover"),      "The changeover is over, and customers can log in"),
    Rule(403, CHANGING_OVER,           is_("changeover", "none") & ~serves,
         go("abandon_changeover"),     "The changeover is over, and customers can't log in"),
    Rule(405, CHANGING_OVER,           always,
         WAIT,                         "The changeover is running"),

    # 500: what the plan includes
    Rule(501, SERVING,                 over("standbys_missing", 0) & no_move_begun & instance_serves,
         do("add_standby"),            "The plan includes a standby that is missing"),
    Rule(503, AVAILABLE,               over("standbys_idle", 0) & is_("changeover", "none"),
         do("drop_standby"),           "The database has more standbys than its plan includes"),
    Rule(511, AVAILABLE,               yes("address_missing"),
         do("reserve_address"),        "The plan includes a stable address that is missing"),
    Rule(521, AVAILABLE,               yes("dump_due") & instance_serves,
         do("dump"),                   "The plan includes a daily logical backup, and one is due"),

    # 600: destroying
    Rule(601, DESTROYING,              no("placed"),
         go("bury"),                   "The database never had an instance"),
    Rule(603, DESTROYING,              is_("instance_state", "destroyed"),
         go("bury"),                   "The instance of this database is destroyed"),
    Rule(605, DESTROYING,              yes("own_instance") & is_("instance_state", "destroying"),
         WAIT,                         "The instance of this database is being destroyed"),
    Rule(607, DESTROYING,              yes("own_instance") & not_yet,
         do("hand_down"),              "The instance serves this database alone and is destroyed with it"),
    Rule(609, DESTROYING,              no("own_instance") & yes("dropped"),
         go("bury"),                   "The database and its role are dropped"),
    Rule(611, DESTROYING,              no("own_instance") & instance_serves,
         do("drop_database"),          "The instance is shared: only this database and its role are dropped"),

    # 900: nothing to do
    Rule(901, ANY,                     always,
         WAIT,                         "Nothing to do"),
)  # fmt: skip
