"""PostgreSQL does not answer, and its host does: start it, or restart it where a postmaster hangs.

Symptom: the instance is down; customers get "connection refused", or no answer.
Look first: does the host answer? Does a postmaster run? Has the host rebooted (then the instance's own beats start it)?
Steps: wait for the host and for the instance's own beats; ask the instance to start, or to restart; wait for the
answer.
Give up when: the host does not answer for two minutes, or PostgreSQL did not start. The answer says why.
"""

from incidents.outcomes import Case, Outcome, again, fixed, give_up
from incidents.resolvers.asking import answered, asked

HOST_PATIENCE_S = 120.0
REBOOTED_S = 30.0
# What PostgreSQL says while it starts, and how long recovery from a crash may take.
STARTING = "57P03"
RECOVERY_PATIENCE_S = 600.0


def host(case: Case) -> Outcome:
    """Only with a host that answers is it known what there is to do."""
    rebooted = case.facts["boot_id"] and case.member.attrs.get("boot_id") not in (None, case.facts["boot_id"])
    if case.facts["ssh"] is not True:
        if case.facts["standby_ready"]:
            return give_up("the host does not answer, and a standby could take over")
        why = case.facts["ssh_why"] or "the host has not answered yet"
        return again(2, why) if case.step_s < HOST_PATIENCE_S else give_up(why)
    if rebooted and case.step_s < REBOOTED_S:
        return again(2, "the host rebooted, and the instance's own beats start PostgreSQL")
    return fixed("the host answers")


def start(case: Case) -> Outcome:
    """To start what runs does no harm; a postmaster that hangs has to go first. One that says that it is starting, or
    that its own table starts, is left to it: to stop it would only begin that anew."""
    if case.facts["job"] == "running" and case.step_s < HOST_PATIENCE_S:
        return again(0.5, "the instance's own beats start PostgreSQL")
    if case.facts["service_code"] == STARTING and case.step_s < RECOVERY_PATIENCE_S:
        return again(1, "PostgreSQL is starting, and recovers from its WAL")
    hangs = case.facts["postmaster"] is True and case.facts["service_available"] is not True
    return asked(case, "restart" if hangs else "start", "the instance is down")


STEPS = (host, start, answered)
