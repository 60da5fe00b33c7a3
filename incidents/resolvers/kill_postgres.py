"""A postmaster runs and neither serves nor stops: kill it, then start PostgreSQL, which recovers from its WAL.

Symptom: the instance is down, its host answers, a postmaster is there; a restart did not stop it (it is frozen, or
waits for a disk).
Look first: does the process belong to herdsite, and to this data directory? Does it hang in the kernel (state D)? Then
only a reboot of the host helps.
Steps: send SIGKILL to the postmaster; ask the instance to start; wait for the answer.
Give up when: no postmaster runs (then something else keeps PostgreSQL from starting), or PostgreSQL did not start.
"""

from fleet.transports.base import checked
from incidents.outcomes import Case, Outcome, fixed, give_up
from incidents.resolvers.asking import answered, asked

# A pid alone may be another process's by now: only a process that works in the data directory is a postmaster of ours.
_KILL = """
data=$1 pid=
{ read -r pid < "$data/postmaster.pid"; } 2>/dev/null
[ -n "$pid" ] && [ "/proc/$pid/cwd" -ef "$data" ] && kill -9 "$pid" && echo killed
true
"""


def kill(case: Case) -> Outcome:
    argv = ["sh", "-c", _KILL, "herdsite", case.subject.data]
    if "killed" in checked(argv, case.shell().run(argv)).out:
        return fixed("the postmaster was killed")
    # The step may have been taken before and cut off after the kill, or be late for what was felt; a start tells.
    if case.facts["postmaster"] or case.step_s > 0:
        return fixed("no postmaster runs any more")
    return give_up("no postmaster runs")


def start(case: Case) -> Outcome:
    return asked(case, "start", "the postmaster hung and was killed")


STEPS = (kill, start, answered)
