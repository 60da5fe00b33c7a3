"""The herd's CA changes in three steps, each when a person asks for the next and nobody is left behind: a new one is
trusted beside the old one, it signs, and the old one is trusted no more."""

from django.db import transaction
from django.utils import timezone

from fleet import certificates, streams
from fleet.models import Authority, Instance, ServerCertificate
from fleet.states import DESTROYED, DESTROYING


class NotYet(Exception):
    """Somebody would be left behind; the message says who."""


def rotate() -> str:
    """Take the next step; what was done, and what comes next. Raises NotYet."""
    states = set(Authority.objects.values_list("state", flat=True))
    if Authority.CURRENT not in states:
        return f"{certificates.authority()} is created and signs from now on."
    if Authority.FORMER in states:
        return _retire()
    if Authority.NEXT in states:
        return _sign()
    return (
        f"{certificates.make(Authority.NEXT)} is trusted beside the present one from now on. Give /ca.pem to the "
        "clients that verify, then run this again: the new CA then signs."
    )


def _sign() -> str:
    """The next CA signs, once each instance trusts it: one that does not could not follow a leader that shows it."""
    if behind := [one.name for one in _alive() if not trusts(one)]:
        raise NotYet(f"These instances do not trust the next CA yet: {', '.join(behind)}. Run this again when they do.")
    with transaction.atomic():
        Authority.objects.filter(state=Authority.CURRENT).update(state=Authority.FORMER)
        Authority.objects.filter(state=Authority.NEXT).update(state=Authority.CURRENT)
    certificates.memory.forget()
    return (
        "The next CA signs from now on; each instance gets a certificate of it. Run this again to retire the old one."
    )


def _retire() -> str:
    """The former CA is trusted no more, once no instance shows what it signed."""
    shown = ServerCertificate.objects.filter(authority__state=Authority.FORMER)
    shown = shown.exclude(instance__state__in=(DESTROYING, DESTROYED))
    behind = {one.instance.name for one in shown.select_related("instance")}
    # A new certificate is on record before the host has it.
    behind |= {one.name for one in _alive() if not trusts(one)}
    if behind:
        raise NotYet(
            f"Instances with a certificate of the former CA: {', '.join(sorted(behind))}. Run this again later."
        )
    Authority.objects.filter(state=Authority.FORMER).update(state=Authority.RETIRED)
    certificates.memory.forget()
    return "The former CA is not trusted any more."


def trusts(instance: Instance) -> bool:
    """It was told what it is to be told now, the trusted CAs and its certificate among that."""
    return instance.attrs.get("told") == streams.wanted(instance, streams.quorum(instance))


def _alive() -> list[Instance]:
    gone = (DESTROYING, DESTROYED)
    return list(
        Instance.objects.exclude(state__in=gone)
        .select_related("server", "timeline", "upstream__server", "certificate")
        .order_by("name")
    )


def trusted_until() -> str:
    """When the CA that signs ends, as a date; "" while there is none."""
    found = Authority.objects.filter(state=Authority.CURRENT).values_list("ends_at", flat=True).first()
    return f"{timezone.localtime(found):%Y-%m-%d}" if found else ""
