"""Ways from a row of ours to the host that it lives on."""

from dataclasses import replace
from datetime import datetime

from fleet import holding, policy, subjects
from fleet.actions.base import Acting, ActionError
from fleet.holding import Right
from fleet.models import Instance
from fleet.orders import Anchor, Order
from fleet.postgres import control
from fleet.subject import Subject
from fleet.transports.base import Shell


def ordered(acting: Acting, lasts_s: float = policy.CALL_S) -> tuple[Shell, Subject]:
    """The Shell of the acting subject's host, and the subject with an order that ends with the right to act, which is
    held for what takes `lasts_s` (s): it goes by the host's clock as the beat's own look read it, or as it is read
    now."""
    way = shell(acting)
    return way, _bound(way, acting.subject, acting, lasts_s, acting.anchor)


def shell(acting: Acting) -> Shell:
    """The Shell of the acting subject's host."""
    if acting.subject.host is None:
        raise ActionError("The server has no pinned host key: nothing can be done on it.")
    return acting.ports.shell(acting.subject.host)


def of(instance: Instance, acting: Acting) -> tuple[Shell, Subject]:
    """The Shell of the host of another instance, and that instance as a Subject with the monitor's database."""
    subject = subjects.monitored(instance, _now(acting))
    if subject.host is None:
        raise ActionError(f"{instance.server} has no pinned host key: nothing can be done on it.")
    return acting.ports.shell(subject.host), subject


def orders(
    instance: Instance, acting: Acting, epoch: int, lasts_s: float = policy.CALL_S, anchor: Anchor | None = None
) -> tuple[Shell, Subject]:
    """The same of another instance, for an order of that epoch: what the acting one goes by, however new the other's
    records are. `anchor` is its host's clock where that has been read already: the order ends so much sooner."""
    way, subject = of(instance, acting)
    return way, _bound(way, replace(subject, order=Order(epoch)), acting, lasts_s, anchor)


def right(acting: Acting, lasts_s: float = policy.CALL_S) -> Right:
    """Until when the beat may act, which is made to last for what takes `lasts_s` (s). Raises LeaseLost."""
    return holding.right(acting.subject.kind, acting.subject.id, acting.lease, lasts_s)


def _bound(way: Shell, subject: Subject, acting: Acting, lasts_s: float, anchor: Anchor | None = None) -> Subject:
    # The clock first, then the lease: so the order never ends later than that.
    anchor = anchor or control.anchor(way)
    return replace(subject, order=right(acting, lasts_s).order(subject.order.epoch, anchor))


def _now(acting: Acting) -> datetime:
    return acting.subject.now
