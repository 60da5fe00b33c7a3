"""WAL does not reach the archive: make PostgreSQL archive again at once, and check the result.

Symptom: the archiver's last failure is younger than its last success; WAL fills the leader's disk.
Look first: what does the archive command report (see the instance's log)? Is the archive's disk full? Does the place in
the archive belong to another instance?
Steps: configure archiving again; switch to a new WAL segment; wait until a segment is archived.
Give up when: no segment is archived within two minutes.
"""

from fleet import streams, subjects
from fleet.models import Instance
from fleet.postgres import control
from fleet.transports.base import TransportError
from incidents.outcomes import Case, Outcome, again, fixed, give_up

PATIENCE_S = 120.0


def tell(case: Case) -> Outcome:
    """Its configuration as it is to be, which restarts nothing."""
    instance = Instance.objects.select_related("server", "timeline", "upstream__server").get(pk=case.member.pk)
    subject = subjects.instance_subject(instance, case.subject.now)
    if subject.host is None:
        return give_up("the server has no pinned host key")
    try:
        shell, subject = case.ordered(subject)
        control.configure(shell, subject, streams.files(instance, subject))
        control.run_sql(shell, subject, "SELECT pg_catalog.pg_switch_wal();\n")
    except TransportError as error:
        return again(5, str(error)) if case.step_s < PATIENCE_S else give_up(str(error))
    return fixed("configured again")


def comes(case: Case) -> Outcome:
    if case.facts["archiver_failing"] is False:
        return fixed("WAL is archived again")
    why = f"{case.facts['last_failed_wal'] or 'a segment'} does not reach the archive"
    return again(3, why) if case.step_s < PATIENCE_S else give_up(why)


STEPS = (tell, comes)
