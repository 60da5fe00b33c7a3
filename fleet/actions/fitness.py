"""Whether a host is fit for an instance that is about to be built there: asked of it then, and not only of our records.
It lets us in anew, and nobody else has the port. What is not fit for one of which nothing is there yet is left for
another server."""

from dataclasses import replace

from django.db.models import Q

from fleet import listeners, placement, policy, subjects
from fleet.actions import hosts
from fleet.actions.base import Acting, ActionError
from fleet.models import Address, Instance, Resource
from fleet.placement import NoRoom
from fleet.states import DESTROYED
from fleet.transports.base import TransportError

# The ports that somebody else had when this instance was about to start: none of them is tried twice, since whoever
# comes and goes there would be met again.
LOST = "ports_lost"


def fit(instance: Instance, acting: Acting) -> Acting:
    """The same acting, with a port that nobody else has on its host; the records say so too. Raises ActionError where
    it can't be built there."""
    if subjects.again(instance) or acting.facts["postmaster"]:
        # Its clients know its port, or it listens there by itself.
        return acting
    if acting.facts["job"] == "none":
        _must_let_us_in(instance, acting)
    avoid = _lost(instance, acting.facts["job_why"] or "")
    busy = listeners.busy_ports(hosts.shell(acting), acting.subject.bind) | avoid
    if instance.port not in busy:
        return acting
    if _bound(instance, acting):
        raise ActionError(
            _elsewhere(
                instance,
                acting,
                f"Port {instance.port} of {instance.server} is taken by another program, and {instance.name} needs "
                "that port: the stable address has the same one on every server.",
                "Stop that program, or add a server.",
            )
        )
    instance.attrs[LOST] = " ".join(str(port) for port in sorted({*avoid, instance.port}))
    placement.move_port(instance, busy)
    return replace(acting, subject=replace(acting.subject, port=instance.port))


def _must_let_us_in(instance: Instance, acting: Acting) -> None:
    """The connection that is held may be the last one."""
    try:
        hosts.shell(acting).log_in(policy.DOOR_TIMEOUT_S)
    except TransportError as error:
        why = f"No new SSH login works on {instance.server}: {error}."
        raise ActionError(_elsewhere(instance, acting, why, "Restart sshd there, or add a server.")) from error


def _lost(instance: Instance, why: str) -> set[int]:
    lost = {int(port) for port in instance.attrs.get(LOST, "").split()}
    return lost | {instance.port} if listeners.lost(why) else lost


def _bound(instance: Instance, acting: Acting) -> bool:
    """A stable address leads, or is to lead, to it at the port that its database has already."""
    if not acting.ports.provider(instance.server.provider).has_addresses:
        return False
    mine = Resource.objects.filter(instance=instance).exclude(state=DESTROYED)
    led_to = Address.objects.filter(resource__in=mine).exclude(state=DESTROYED)
    return not mine.exists() or led_to.exists()


def _elsewhere(instance: Instance, acting: Acting, why: str, mend: str) -> str:
    """Another server for one of which nothing is on its host yet, and why; or what a person can do."""
    whose = Q(instance=instance) | Q(standbys=instance) | Q(changeovers__target=instance)
    resource = Resource.objects.filter(whose).exclude(state=DESTROYED).select_related("plan").first()
    if resource is None or acting.facts["job"] != "none":
        return f"{why} {mend}"
    try:
        server = placement.move_elsewhere(instance, resource)
    except NoRoom as error:
        return f"{why} {mend} {error}"
    return f"{why} {instance.name} is built on {server} instead."
