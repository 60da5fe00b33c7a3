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
ALIVE = (CREATING, *SERVING, STOPPED, FENCED)

proof_of_death = named("the host answers: no postmaster", yes("ssh") & no("postmaster") & no("service_available"))
confirmed_down = named(
    "several workers get no answer by SQL, SSH was tried too, for as long as the doubt window",
    no("service_available")
    & reached("doubt_s", "doubt_window_s")
    & over("sql_vantages", 1)
    & (yes("ssh") | over("ssh_vantages", 0))
    & yes("vantage_sees"),
)
unproven = named(
    "it runs, what answers by SQL does not prove to be it, and it was not told since",
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
    "its host has taken newer orders than our records know of",
    (*_newer[0].names, *_newer[1].names),
    _knows_more,
)
too_small = named("it has less than its leader of what replay needs", ~is_("short_of", ""))
# Then it is we who are cut off from it, and not its customers.
heard_by_a_standby = heard()
off = is_("machine", "stopped", "absent")
begun = is_("job", "none")
ended_badly = is_("job", "failed", "lost")

LIFE = (
    # row  in state    when the facts say                     then              because
    Rule(91, (*SERVING, STOPPED, FENCED), host_knows_more, WAIT, "Our records are older than this host: nothing is done to it until a person has looked"),
    Rule(101, ALIVE, asked("destroy") & over("members", 0), do("refuse"), "a database is on it: destroy that, or let another instance lead first"),
    Rule(102, (*SERVING, STOPPED, FENCED), asked("destroy") & is_("changeover", "open"), WAIT, "its changeover may make it the leader: it is destroyed after that, unless it leads"),
    Rule(103, ALIVE, asked("destroy") & under("members", 1), go("destroy"), "asked for, and no database is on it"),
    Rule(105, SERVING, yes("upgrading"), WAIT, "its data is being brought to another major version"),
    Rule(107, SERVING, yes("proven_silent") & no("outdated"), WAIT, "An open changeover counts on its silence: nothing starts it until that is over"),
    Rule(111, SERVING, asked("restart") & begun, do("restart"), "asked for"),
    Rule(113, SERVING, asked("restart") & is_("job", "running"), WAIT, "it restarts"),
    Rule(115, SERVING, asked("restart") & ended_badly, do("refuse"), "the restart failed"),
    Rule(117, SERVING, asked("restart") & is_("job", "done") & yes("service_available"), do("fulfil"), "restarted, and it answers"),
    Rule(119, SERVING, (asked("restart") | asked("start")) & is_("job", "done") & proof_of_death, do("refuse"), "it was started, and died again"),
    Rule(121, SERVING, asked("stop") & begun, do("stop"), "asked for"),
    Rule(123, SERVING, asked("stop") & is_("job", "running"), WAIT, "it stops"),
    Rule(125, SERVING, asked("stop") & ended_badly, do("refuse"), "it would not stop"),
    Rule(127, SERVING, asked("stop") & is_("job", "done") & no("postmaster"), go("stop"), "no postmaster runs any more"),
    Rule(131, STOPPED, asked("stop"), do("fulfil"), "it is stopped"),
    Rule(133, STOPPED, asked("start"), go("start"), "asked for"),
    Rule(135, STOPPED, asked("restart"), do("refuse"), "it is stopped: ask for start"),
    Rule(137, DOWN, asked("start") & begun, do("start"), "asked for"),
    Rule(139, DOWN, asked("start") & is_("job", "running"), WAIT, "it starts"),
    Rule(141, DOWN, asked("start") & ended_badly, do("refuse"), "it would not start"),
    Rule(143, AVAILABLE, asked("start"), do("fulfil"), "it runs"),
    Rule(144, (*SERVING, STOPPED, FENCED), asked("retry"), do("refuse"), "nothing has failed here that could be tried again"),
    Rule(145, FENCED, asked("start") | asked("restart") | asked("stop"), do("refuse"), "it is fenced, and stays so until it is rebuilt"),
    Rule(147, SERVING, asked("rebuild") & is_("role", "standby") & is_("upstream_state", "available") & is_("changeover", "none"), go("rejoin"), "asked for: it is copied anew"),
    Rule(148, SERVING, asked("rebuild") & is_("role", "standby"), WAIT, "it may be all that there is: its leader has to be well, and nobody about to take over"),
    Rule(149, (*SERVING, STOPPED, FENCED), asked("rebuild"), do("refuse"), "only a standby can be copied anew"),
    Rule(150, (*SERVING, STOPPED, FENCED), asked("discard"), do("refuse"), "it holds no stray writes that could not be read out"),
    Rule(151, (*SERVING, STOPPED), yes("outdated") & yes("postmaster"), do("fence"), "it was a leader, and another leads: it may acknowledge nothing"),
    Rule(153, (*SERVING, STOPPED, FENCED), yes("outdated") & yes("ssh") & no("postmaster") & is_("upstream_state", "available") & no("upstream_takes"), go("rejoin"), "a leader that was comes back as a standby"),
    Rule(155, (DOWN, STOPPED, FENCED), yes("outdated"), WAIT, "a leader that was is never started, only made a standby"),
    Rule(200, CREATING, begun & yes("awaits_wal"), WAIT, "The lost leader's last WAL is being archived: the copy begins after that"),
    Rule(201, CREATING, begun, do("build"), "there is nothing on the host yet"),
    Rule(202, CREATING, yes("outdated") & unread & asked("discard"), do("discard"), "a person says that its stray writes may go"),
    Rule(203, CREATING, is_("job", "running"), WAIT, "initdb, configuration, first start, monitoring role"),
    Rule(204, CREATING, ended_badly & is_("role", "standby") & is_("upstream_state", "uncertain", "down", "stopped", "creating"), WAIT, "whom it is a copy of does not serve: it is copied once that does"),
    Rule(205, CREATING, ended_badly & paced(policy.PAUSES_S), do("rebuild"), "that failed: clear it away and try again"),
    Rule(206, CREATING, yes("outdated") & unread & ~asked("retry"), WAIT, "its stray writes could not be read out: make room and ask for retry, or say by discard that they may go"),
    Rule(207, CREATING, ended_badly & asked("retry"), do("rebuild"), "a person says that it will work now"),
    Rule(208, CREATING, ended_badly & under("tries", 3), WAIT, "that failed: it is tried again in a moment"),
    Rule(209, CREATING, ended_badly, WAIT, "failed three times: mend the cause, then ask for retry or destroy"),
    Rule(210, CREATING, yes("outdated") & is_("job", "done") & yes("in_recovery"), do("rejoined"), "it streams from the one that leads"),
    Rule(211, CREATING, is_("job", "done") & yes("service_available"), go("come_up"), "built, and it answers"),
    Rule(300, AVAILABLE, no("service_available") & yes("planned"), WAIT, "it hands over, and is stopped for that"),
    Rule(301, AVAILABLE, no("service_available"), go("doubt"), "one failed look is only a doubt"),
    Rule(303, AVAILABLE, is_("role", "standby") & no("outdated") & no("in_recovery"), do("fence"), "a standby that leads: two may not write"),
    Rule(304, AVAILABLE, is_("role", "leader") & no("outdated") & yes("in_recovery") & no("moving"), do("promote"), "it leads by our records, and its promotion was cut off"),
    Rule(305, AVAILABLE, no("outdated") & is_("quorum_step", "record"), do("record_quorum"), "what commits wait for is put on record in the order that keeps it true"),
    Rule(307, AVAILABLE, no("outdated") & (no("configured") | is_("quorum_step", "apply")), do("configure"), "it was told something else than what it is to be now"),
    Rule(309, AVAILABLE, is_("role", "standby") & no("outdated") & yes("configured") & too_small & yes("restart_pending"), do("grow"), "Standby has less than its leader of what replay needs: it restarts with as much"),
    Rule(311, (UNCERTAIN, DOWN), yes("service_available"), go("come_back"), "it answers again"),
    Rule(312, (UNCERTAIN, DOWN), unproven, do("configure"), "its certificate is not accepted: it gets one over SSH, once in each doubt"),
    Rule(313, UNCERTAIN, proof_of_death, go("go_down"), "proof needs no second look"),
    Rule(314, UNCERTAIN, no("service_available") & is_("server_state", "down") & (off | ~heard_by_a_standby), go("go_down"), "its server is down, and that is proven"),
    Rule(315, UNCERTAIN, confirmed_down & ~heard_by_a_standby, go("go_down"), "silence from several sides for long enough"),
    Rule(316, UNCERTAIN, no("service_available") & heard_by_a_standby, WAIT, "Its standby hears it: the control plane is cut off from it, and its customers are not"),
    Rule(317, UNCERTAIN, no("service_available"), WAIT, "in doubt: other workers look, and other wires are asked"),
    Rule(318, DOWN, yes("stray_mark") & proof_of_death, do("unfence"), "The fence mark is of a changeover that is over, and this instance leads: take it away and start"),
    Rule(319, DOWN, proof_of_death & yes("hasty") & no("outdated") & no("planned") & begun, do("start"), "its postmaster died on a host that lives, and its plan waits for nobody"),
    Rule(321, DOWN, yes("rebooted") & no("postmaster") & begun, do("start"), "its host rebooted, and only we start PostgreSQL"),
    Rule(325, DOWN, no("service_available"), WAIT, "it does not answer; looking on"),
    Rule(601, DESTROYING, is_("server_state", "destroyed"), go("bury"), "it went with its server"),
    Rule(603, DESTROYING, begun, do("destroy"), "stop it, then remove its data directory"),
    Rule(605, DESTROYING, is_("job", "running"), WAIT, "its data directory is being removed"),
    Rule(607, DESTROYING, is_("job", "done") & no("data_dir"), go("bury"), "nothing of it is left on the host"),
    Rule(609, DESTROYING, ended_badly & under("tries", 3), do("destroy_again"), "that failed: once more"),
    Rule(611, DESTROYING, ended_badly & asked("retry"), do("destroy_again"), "a person says that it will work now"),
    Rule(901, ANY, always, WAIT, "nothing to do"),
)  # fmt: skip
