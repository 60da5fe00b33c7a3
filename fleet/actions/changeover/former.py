"""A former leader that is to lead again: because the one that took over from it is lost before it led, or because a
person would rather have what it holds than nothing. It is stopped for good, and its data is as it left it."""

from fleet import streams
from fleet.actions import hosts
from fleet.actions.base import Acting, ActionError
from fleet.models import Address, Changeover, Instance, Timeline
from fleet.postgres import control
from fleet.states import EXPIRED
from fleet.succession import lsn
from fleet.succession.choosing import Candidate
from fleet.transports.base import TransportError

FENCE_S = 6.0


def candidate(changeover: Changeover, instance: Instance, acting: Acting) -> Candidate:
    """As it is now: its host says where its WAL ended, and keeps it from being started meanwhile."""
    try:
        shell, subject = hosts.orders(instance, acting, changeover.epoch)
        said = control.fence(shell, subject, instance.generation, FENCE_S)
        ended = said.get("lsn", "")
        if not ended:
            hosts.right(acting, control.READ_S)
            ended = control.end(shell, subject)
        end = lsn.known(ended or None)
    except (TransportError, ActionError):
        end = None
    line = own_line(instance)
    return Candidate(
        name=instance.name,
        zone=instance.server.zone,
        server_state=instance.server.state,
        state=instance.state,
        reachable=end is not None,
        in_recovery=False,
        received_lsn=end,
        replayed_lsn=None,
        timeline_id=line.timeline_id if line else None,
        former=True,
        unfollowed=_unfollowed(changeover, instance),
    )


def _unfollowed(changeover: Changeover, instance: Instance) -> bool:
    """Whether the leader by our records got its place from this one and never led: its promotion was never answered,
    and the address has not led to it since. Without an address customers may have gone there by its own."""
    leader = changeover.source
    over = Changeover.objects.filter(
        resource=changeover.resource_id, source=instance, target=leader, generation=changeover.generation - 1
    )
    address = Address.objects.filter(resource=changeover.resource_id).first()
    led = leader is None or address is None or address.target == leader.server.name
    return over.exclude(marks__has_key="promoted").exists() and not led


def own_line(instance: Instance) -> Timeline | None:
    """The timeline that it wrote last, while there is one to go on with."""
    written = Timeline.objects.filter(writer=str(instance.pk)).exclude(state=EXPIRED)
    return written.order_by("-created_at").first()


def lead(changeover: Changeover, target: Instance, acting: Acting) -> dict[str, str]:
    """Tell it what it is to be, as it is on record by now, and let it run."""
    shell, subject = hosts.orders(target, acting, changeover.epoch)
    control.configure(shell, subject, streams.files(target, subject))
    hosts.right(acting, control.START_S)
    control.unfence(shell, subject, target.generation)
    Instance.objects.filter(pk=target.pk).update(fenced_by=None)
    return {}
