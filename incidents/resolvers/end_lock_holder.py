"""A database takes the lock table of the PostgreSQL that it shares with others: end its sessions, then suspend it.

Symptom: the sessions of one database hold a large part of all locks, advisory locks of a session say, or, where no
database holds so many and the lock table is full all the same, the most. When the lock
table is full, statements and logins of every database on the instance fail with "out of shared memory" (53200), and so
do herdsite's own. PostgreSQL is alive, and a restart would only cut everybody off.
Look first: what do the sessions run? On the host, the titles of PostgreSQL's processes name role and database.
Steps: end the sessions of the database, on its host, since no login works; if they take the locks again, now or within
two hours, suspend the database for 30 minutes: its owner can't log in. The customer is told of both. The suspension
ends by itself, or when lift is asked for.
Give up when: the database has an instance of its own (the customer harms nobody else, and is told), or nothing reads
the lock table.
"""

from fleet import context, policy, ring, tenants
from fleet.models import Credential, Instance, Resource
from fleet.postgres import control
from fleet.subject import Subject
from incidents.outcomes import CantAct, Case, Outcome, again, fixed, give_up
from incidents.tenancy import takes_locks

# Within this a reading follows that knows of the end of the sessions (s).
SEEN_S, LOOK_S = 8.0, 2.0


def end(case: Case) -> Outcome:
    resource = _tenant(case)
    if tenants.repeats(resource, case.key, case.subject.now.timestamp()):
        return fixed("the sessions were ended lately, and the locks are taken again")
    instance, owner = _where(case)
    tenants.remember(resource, case.key, case.subject.now.timestamp())
    ended = control.end_sessions(*case.ordered(instance), resource.dbname, owner)
    return fixed(f"{ended} session(s) were ended that held {case.facts['lock_pct'] or 0:g} % of the lock table")


def settle(case: Case) -> Outcome:
    """The next reading tells whether that was enough; it closes the alarm if so."""
    if tenants.repeats(_tenant(case), case.key, case.subject.now.timestamp()):
        return fixed("the sessions have taken the locks repeatedly")
    share = case.facts["lock_pct"]
    if case.step_s < SEEN_S or takes_locks(case.facts) is False:
        return again(LOOK_S, "waiting for the next reading of the lock table")
    if share is None:
        return give_up("the lock table is not being read: see whether the clock runs, and whether it can log in")
    return fixed("the locks are taken again")


def suspend(case: Case) -> Outcome:
    """The record comes first: a login that is refused from now on is no failure."""
    resource, now = _tenant(case), case.subject.now.timestamp()
    instance, owner = _where(case)
    tenants.suspend(resource, now + policy.SUSPENDED_S)
    tenants.remember(resource, case.key, now + policy.SUSPENDED_S)
    ended = control.suspend(*case.ordered(instance), resource.dbname, owner)
    ring.nudge(Resource.KIND, [resource.pk])
    return fixed(f"suspended for {policy.SUSPENDED_S / 60:g} minutes; {ended} session(s) were ended")


def _tenant(case: Case) -> Resource:
    assert isinstance(case.member, Resource)
    if case.member.own_instance:
        raise CantAct("The instance serves this database alone: its sessions are the customer's to end.")
    return case.member


def _where(case: Case) -> tuple[Subject, str]:
    """The instance, and the role that owns the database."""
    instance = Instance.objects.filter(resources=case.member.pk).select_related("server").first()
    owner = Credential.objects.filter(resource=case.member.pk, purpose=Credential.OWNER).first()
    if instance is None or owner is None:
        raise CantAct("This database has no instance.")
    return context.instance_subject(instance, case.subject.now), owner.role


STEPS = (end, settle, suspend)
