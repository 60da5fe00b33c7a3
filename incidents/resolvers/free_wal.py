"""Inactive replication slots keep WAL on the disk: drop the slots that no standby or follower uses any more.

Symptom: a leader keeps more than 1 GB of WAL for a slot that no client reads.
Look first: which standby does the slot belong to? A standby that is being rebuilt needs its slot; a destroyed one does
not.
Steps: drop every inactive slot that belongs to no standby or follower of this leader.
Give up when: no slot was dropped. WAL that is kept for one of herdsite's standbys is limited by
max_slot_wal_keep_size; a standby that falls behind further is rebuilt.
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
    return fixed(f"{dropped} slot(s) dropped") if dropped else give_up("every slot belongs to a standby of this leader")


STEPS = (drop,)
