"""All connections are in use: end sessions that hold one and do nothing with it.

Symptom: clients are refused with "too many connections", or soon will be.
Look first: which users and applications hold the sessions, and what do the sessions wait for? Is a pool bigger than the
plan allows?
Steps: end sessions that have been idle in an open transaction for a minute, the longest first. Where customers can't
log in at all, or nothing was gained, end idle sessions: after a minute where customers are shut out, else after ten.
Give up when: no session is idle (all of them are working: a bigger plan is needed), or connections are not the reason.
"""

from fleet import context
from fleet.models import Instance, Resource
from fleet.postgres import control
from fleet.postgres.config import MONITOR
from fleet.postgres.quote import literal
from fleet.subject import Subject
from incidents.outcomes import CantAct, Case, Outcome, again, fixed, give_up

AT_ONCE = 20
IN_TRANSACTION_S, SHUT_OUT_S, IDLE_S = 60, 60, 600
PATIENCE_S = 120.0


def in_transaction(case: Case) -> Outcome:
    if isinstance(case.member, Resource) and not _is_full(case):
        return give_up("the database has connections left: the reason is another")
    return fixed(f"{_end(case, 'idle in transaction%', IN_TRANSACTION_S)} sessions in a transaction were ended")


def idle(case: Case) -> Outcome:
    shut_out = case.type == "resource_down"
    if shut_out and not _is_full(case):
        return fixed("there is room again")
    # Those that have come to sit in a transaction for long enough meanwhile go with the idle ones.
    ended = _end(case, "idle%", SHUT_OUT_S if shut_out else IDLE_S)
    if ended:
        return fixed(f"{ended} idle sessions were ended")
    return (
        again(10, "no session has been idle for long enough")
        if case.step_s < PATIENCE_S
        else give_up("every session is working")
    )


def _end(case: Case, state: str, seconds: int) -> int:
    """End customers' sessions in this state for longer than that, the longest first, and some at a time."""
    return int(
        _ask(
            case,
            f"""SELECT pg_catalog.count(*) FILTER (WHERE pg_catalog.pg_terminate_backend(pid)) FROM (
                  SELECT pid FROM pg_catalog.pg_stat_activity
                  WHERE backend_type = 'client backend' AND usename NOT IN ('postgres', {literal(MONITOR)})
                    AND {_mine(case)} AND state LIKE {literal(state)}
                    AND state_change < pg_catalog.clock_timestamp() - interval '{seconds} s'
                  ORDER BY state_change LIMIT {AT_ONCE}) AS longest;""",
        )
    )


def _is_full(case: Case) -> bool:
    """Whether its sessions are as many as it may have. A limit of none is one that its customer has set to keep others
    out: nobody is ended for that."""
    assert isinstance(case.member, Resource)
    return (
        _ask(
            case,
            f"""SELECT pg_catalog.count(*) >= (SELECT pg_catalog.min(l) FROM (
                    SELECT datconnlimit AS l FROM pg_catalog.pg_database WHERE datname = {literal(case.member.dbname)}
                    UNION ALL
                    SELECT rolconnlimit FROM pg_catalog.pg_roles JOIN pg_catalog.pg_database ON datdba = pg_roles.oid
                    WHERE datname = {literal(case.member.dbname)}) AS limits WHERE l > 0)
            FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend' AND {_mine(case)};""",
        )
        == "t"
    )


def _mine(case: Case) -> str:
    return f"datname = {literal(case.member.dbname)}" if isinstance(case.member, Resource) else "true"


def _ask(case: Case, sql: str) -> str:
    instance = _instance(case)
    return control.run_sql(case.shell(instance), instance, sql).strip()


def _instance(case: Case) -> Subject:
    """The instance that it is about, or on which the resource lives."""
    if isinstance(case.member, Instance):
        return case.subject
    instance = Instance.objects.filter(resources=case.member.pk).select_related("server").first()
    if instance is None:
        raise CantAct("This database has no instance.")
    return context.instance_subject(instance, case.subject.now)


STEPS = (in_transaction, idle)
