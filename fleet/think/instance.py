"""What herdsite does about one PostgreSQL: its data directory and its postmaster. One row a beat, first match wins.

Nothing on a host starts PostgreSQL but the rows below: a host that reboots brings no leader back by itself.
"""

from collections.abc import Mapping
from typing import Any

from fleet import policy
from fleet.conditions import Condition, always, asked, heard, is_, named, no, over, paced, reached, under, yes
from fleet.facts import UNPROVEN
from fleet.rules import ANY, WAIT, Rule, do, go
from fleet.states import AVAILABLE, CREATING, DESTROYING, DOWN, FENCED, STOPPED, UNCERTAIN
from fleet.strays import unread

SERVING = (AVAILABLE, UNCERTAIN, DOWN)
BUILT = (*SERVING, STOPPED, FENCED)
ALIVE = (CREATING, *BUILT)
AT_REST = (DOWN, STOPPED, FENCED)

proof_of_death = named("the host answers: no postmaster", yes("ssh") & no("postmaster") & no("service_available"))
confirmed_down = named(
    "several workers get no answer by SQL, and SSH was tried too, for the whole doubt window",
    no("service_available")
    & reached("doubt_s", "doubt_window_s")
    & over("sql_vantages", 1)
    & (yes("ssh") | over("ssh_vantages", 0))
    & yes("vantage_sees"),
)
unproven = named(
    "PostgreSQL runs, its TLS certificate is not accepted, and no new one was installed in this doubt",
    is_("service_code", UNPROVEN)
    & yes("postmaster")
    & no("outdated")
    & no("configured")
    & (is_("role", "leader") | is_("upstream_state", "available")),
)
_newer = (reached("generation", "next_generation"), reached("host_epoch", "next_epoch"))


def _knows_more(facts: Mapping[str, Any]) -> bool | None:
    """Either is enough, and one that is known is enough to say no: a host is asked only while it is not well."""
    known = [verdict for verdict in (newer(facts) for newer in _newer) if verdict is not None]
    return any(known) if known else None


host_knows_more = Condition(
    "the host has newer orders than herdsite's records",
    (*_newer[0].names, *_newer[1].names),
    _knows_more,
)
too_small = named("the standby has smaller settings than its leader", ~is_("short_of", ""))
# Then it is we who are cut off from it, and not its customers.
heard_by_a_standby = heard()
off = is_("machine", "stopped", "absent")
is_standby, is_leader = is_("role", "standby"), is_("role", "leader")
upstream_serves = is_("upstream_state", "available")
takes_back = upstream_serves & no("upstream_takes")
upstream_away = is_("upstream_state", "uncertain", "down", "stopped", "creating")
begun = is_("job", "none")
ended_badly = is_("job", "failed", "lost")
remains = is_("job", "done") & yes("data_dir")

LIFE = (
    # row, in state                when the facts say
    #      then                    because

    # before all: hosts that have newer orders than herdsite's records
    # Before all: a control plane that runs on an older copy of its database must touch nothing.
    Rule(91,  BUILT,               host_knows_more,
         WAIT,                     "herdsite's records are older than this host: nothing is done to it until a person "
                                   "has checked"),

    # 100: what was requested; former leaders
    Rule(101, ALIVE,               asked("destroy") & over("members", 0),
         do("refuse"),             "A database is on this instance: destroy the database, or let another instance "
                                   "lead it first"),
    # Before 103: an instance that a changeover may promote is not destroyed under it.
    Rule(102, BUILT,               asked("destroy") & is_("changeover", "open"),
         WAIT,                     "A changeover may make this instance the leader: destroy waits until it is over"),
    Rule(103, ALIVE,               asked("destroy") & under("members", 1),
         go("destroy"),            "Destroy was requested, and no database is on this instance"),
    Rule(105, SERVING,             yes("upgrading"),
         WAIT,                     "pg_upgrade is bringing the data to another major version"),
    # Before every row that starts PostgreSQL: the proof of a changeover is that this instance is silent.
    Rule(107, SERVING,             yes("proven_silent") & no("outdated"),
         WAIT,                     "An open changeover relies on this instance being silent: nothing starts it "
                                   "before that is over"),
    Rule(111, SERVING,             asked("restart") & begun,
         do("restart"),            "Restart was requested"),
    Rule(113, SERVING,             asked("restart") & is_("job", "running"),
         WAIT,                     "PostgreSQL is restarting"),
    Rule(115, SERVING,             asked("restart") & ended_badly,
         do("refuse"),             "PostgreSQL could not be restarted"),
    Rule(117, SERVING,             asked("restart") & is_("job", "done") & yes("service_available"),
         do("fulfil"),             "PostgreSQL was restarted and answers"),
    Rule(119, SERVING,             (asked("restart") | asked("start")) & is_("job", "done") & proof_of_death,
         do("refuse"),             "PostgreSQL was started and died again"),
    Rule(121, SERVING,             asked("stop") & begun,
         do("stop"),               "Stop was requested"),
    Rule(123, SERVING,             asked("stop") & is_("job", "running"),
         WAIT,                     "PostgreSQL is stopping"),
    Rule(125, SERVING,             asked("stop") & ended_badly,
         do("refuse"),             "PostgreSQL did not stop"),
    Rule(127, SERVING,             asked("stop") & is_("job", "done") & no("postmaster"),
         go("stop"),               "No postmaster runs any more"),
    Rule(131, STOPPED,             asked("stop"),
         do("fulfil"),             "PostgreSQL is stopped"),
    Rule(133, STOPPED,             asked("start"),
         go("start"),              "Start was requested"),
    Rule(135, STOPPED,             asked("restart"),
         do("refuse"),             "PostgreSQL is stopped: ask for start"),
    Rule(137, DOWN,                asked("start") & begun,
         do("start"),              "Start was requested"),
    Rule(139, DOWN,                asked("start") & is_("job", "running"),
         WAIT,                     "PostgreSQL is starting"),
    Rule(141, DOWN,                asked("start") & ended_badly,
         do("refuse"),             "PostgreSQL did not start"),
    Rule(143, AVAILABLE,           asked("start"),
         do("fulfil"),             "PostgreSQL runs"),
    Rule(144, BUILT,               asked("retry"),
         do("refuse"),             "Nothing has failed on this instance that could be retried"),
    Rule(145, FENCED,              asked("start") | asked("restart") | asked("stop"),
         do("refuse"),             "The instance is fenced, and stays so until it is rebuilt"),
    Rule(147, SERVING,             asked("rebuild") & is_standby & upstream_serves & is_("changeover", "none"),
         go("rejoin"),             "Rebuild was requested: the standby is copied again from its leader"),
    Rule(148, SERVING,             asked("rebuild") & is_standby,
         WAIT,                     "Rebuild waits: this standby may be the only good copy until the leader is "
                                   "healthy and no changeover is running"),
    Rule(149, BUILT,               asked("rebuild"),
         do("refuse"),             "Only a standby can be rebuilt"),
    Rule(150, BUILT,               asked("discard"),
         do("refuse"),             "Nothing to discard: no stray writes are left here that could not be read out"),
    # Before 201: a former leader is dealt with before whatever else it may need.
    Rule(151, (*SERVING, STOPPED), yes("outdated") & yes("postmaster"),
         do("fence"),              "The former leader still runs: it must not acknowledge writes, so it is fenced"),
    Rule(153, BUILT,               yes("outdated") & yes("ssh") & no("postmaster") & takes_back,
         go("rejoin"),             "The former leader is stopped and the new leader serves: it is rewound or rebuilt "
                                   "as a standby"),
    Rule(155, AT_REST,             yes("outdated"),
         WAIT,                     "Former leader, fenced: it must be rewound or rebuilt as a standby"),

    # 200: building
    # Before 201: the copy would miss the WAL that is still being archived.
    Rule(200, CREATING,            begun & yes("awaits_wal"),
         WAIT,                     "The lost leader's last WAL is being archived: the base backup begins after that"),
    Rule(201, CREATING,            begun,
         do("build"),              "Nothing of the instance is on the host yet"),
    # Before 205: a build that can't read the stray writes out is not tried again until a person decides.
    Rule(202, CREATING,            yes("outdated") & unread & asked("discard"),
         do("discard"),            "Discard was requested: the stray writes of the former leader may be lost"),
    Rule(203, CREATING,            is_("job", "running"),
         WAIT,                     "The build job runs: initdb or base backup, configuration, first start, "
                                   "monitoring role"),
    Rule(204, CREATING,            ended_badly & is_standby & (upstream_away | is_("stopped", "now")),
         WAIT,                     "Upstream is not available; the base backup restarts when it is"),
    # What a changeover stopped has failed by no fault of its own: that try is not counted (policy.tries).
    Rule(205, CREATING,            ended_badly & (paced(policy.PAUSES_S) | is_("stopped", "before")),
         do("rebuild"),            "The build failed: its remains are removed and it is tried again"),
    Rule(206, CREATING,            yes("outdated") & unread & ~asked("retry"),
         WAIT,                     "Stray writes of the former leader could not be read out: make room on the disk "
                                   "and ask for retry, or ask for discard"),
    Rule(207, CREATING,            ended_badly & asked("retry"),
         do("rebuild"),            "Retry was requested"),
    Rule(208, CREATING,            ended_badly & under("tries", 3),
         WAIT,                     "The build failed: the next try follows after a pause"),
    Rule(209, CREATING,            ended_badly,
         WAIT,                     "The build failed three times: repair the cause, then ask for retry or destroy"),
    Rule(210, CREATING,            yes("outdated") & is_("job", "done") & yes("in_recovery"),
         do("rejoined"),           "The former leader streams from the new leader"),
    Rule(211, CREATING,            is_("job", "done") & yes("service_available"),
         go("come_up"),            "PostgreSQL is built and answers"),
    Rule(213, CREATING,            is_("job", "done") & proof_of_death,
         go("go_down_early"),      "PostgreSQL is built, and its postmaster ended before it was seen to answer"),

    # 300: doubt, verdict, return; what a leader and a standby are configured to
    # Before 301: a leader that was stopped on purpose is not in doubt.
    Rule(300, AVAILABLE,           no("service_available") & yes("planned"),
         WAIT,                     "A planned changeover has stopped this leader"),
    Rule(301, AVAILABLE,           no("service_available"),
         go("doubt"),              "A failed look is only a doubt: other workers look before any verdict"),
    # Before the rows that configure: fencing can't wait.
    Rule(303, AVAILABLE,           is_standby & no("outdated") & no("in_recovery"),
         do("fence"),              "A standby accepts writes: it is fenced, so that one instance at most does"),
    Rule(304, AVAILABLE,           is_leader & no("outdated") & yes("in_recovery") & no("moving"),
         do("promote"),            "herdsite's records name this instance leader, and its promotion was interrupted"),
    Rule(305, AVAILABLE,           no("outdated") & is_("quorum_step", "record"),
         do("record_quorum"),      "The synchronous standbys are to change: what commits wait for is recorded in the "
                                   "order that is safe"),
    Rule(307, AVAILABLE,           no("outdated") & (no("configured") | is_("quorum_step", "apply")),
         do("configure"),          "Configuration on the host is out of date"),
    Rule(309, AVAILABLE,           is_standby & no("outdated") & yes("configured") & too_small & yes("restart_pending"),
         do("grow"),               "The standby has smaller settings than its leader, which replay needs: it "
                                   "restarts with equal ones"),
    Rule(311, (UNCERTAIN, DOWN),   yes("service_available"),
         go("come_back"),          "PostgreSQL answers again"),
    Rule(312, (UNCERTAIN, DOWN),   unproven,
         do("configure"),          "The TLS certificate is not accepted: a new one is installed over SSH, once per "
                                   "doubt"),
    # Before 315: proof needs no time, silence does.
    Rule(313, UNCERTAIN,           proof_of_death,
         go("go_down"),            "The host answers and no postmaster runs, which is proof"),
    Rule(314, UNCERTAIN,           no("service_available") & is_("server_state", "down") & (off | ~heard_by_a_standby),
         go("go_down"),            "The server of this instance is proven to be down"),
    Rule(315, UNCERTAIN,           confirmed_down & ~heard_by_a_standby,
         go("go_down"),            "Several workers got no answer from PostgreSQL for the whole doubt window"),
    Rule(316, UNCERTAIN,           no("service_available") & heard_by_a_standby,
         WAIT,                     "A standby still hears from this leader: the control plane is cut off, and "
                                   "customers are not"),
    Rule(317, UNCERTAIN,           no("service_available"),
         WAIT,                     "PostgreSQL is in doubt: other workers look, over SQL and SSH"),
    # Before 319: a mark that is left would keep PostgreSQL from starting.
    Rule(318, DOWN,                yes("stray_mark") & proof_of_death,
         do("unfence"),            "The fence mark is of a changeover that is over, and this instance leads: remove "
                                   "the mark, then start"),
    Rule(319, DOWN,                proof_of_death & yes("hasty") & no("outdated") & no("planned") & begun,
         do("start"),              "PostgreSQL crashed and the host is up: restart at once (high-availability plan)"),
    Rule(321, DOWN,                yes("rebooted") & no("postmaster") & begun,
         do("start"),              "The host has rebooted, and nothing but herdsite starts PostgreSQL there"),
    Rule(325, DOWN,                no("service_available"),
         WAIT,                     "PostgreSQL still does not answer: checks continue"),

    # 600: destroying
    Rule(601, DESTROYING,          is_("server_state", "destroyed"),
         go("bury"),               "The server was destroyed, and this instance with it"),
    Rule(603, DESTROYING,          begun,
         do("destroy"),            "Stop PostgreSQL, then remove its data directory"),
    Rule(605, DESTROYING,          is_("job", "running"),
         WAIT,                     "The data directory is being removed"),
    Rule(607, DESTROYING,          is_("job", "done") & no("data_dir"),
         go("bury"),               "Nothing of the instance is left on the host"),
    Rule(609, DESTROYING,          (ended_badly | remains) & under("tries", 3),
         do("destroy_again"),      "The data directory is still on the host: removing it is tried again"),
    Rule(611, DESTROYING,          (ended_badly | remains) & asked("retry"),
         do("destroy_again"),      "Retry was requested"),

    # 900: nothing to do
    Rule(901, ANY,                 always,
         WAIT,                     "Nothing to do"),
)  # fmt: skip
