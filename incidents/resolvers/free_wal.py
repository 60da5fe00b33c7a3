"""WAL is kept for readers that do not read: take away the slots that belong to nobody any more.

Symptom: a leader keeps more than a gigabyte of WAL for a slot that nobody reads.
Look first: whose slot is it? A standby that is being rebuilt needs it; one that was destroyed does not.
Steps: take away every inactive slot that none of its standbys and followers streams through.
Give up when: nothing was taken away. What is kept for a standby of ours ends by itself at max_slot_wal_keep_size; then
that one is copied anew.
"""

from fleet import subjects
from fleet.models import Instance
from fleet.postgres import control, roles
from fleet.states import DESTROYED, DESTROYING
from fleet.transports.base import TransportError
from incidents.outcomes import Case, Outcome, fixed, give_up


def drop(case: Case) -> Outcome:
    instance = Instance.objects.select_related("server").get(pk=case.member.pk)
    alive = Instance.objects.filter(upstream=instance).exclude(state__in=(DESTROYING, DESTROYED))
    subject = subjects.instance_subject(instance, case.subject.now)
    try:
        gone = control.run_sql(case.shell(subject), subject, roles.drop_slots([one.slot for one in alive]))
    except TransportError as error:
        return give_up(str(error))
    dropped = len(gone.splitlines())
    return fixed(f"{dropped} slot(s) taken away") if dropped else give_up("every slot belongs to one of its standbys")


STEPS = (drop,)
