"""Servers prove who they are: the herd's CA, and a certificate for each instance.

Whether an instance has the right certificate is asked at every beat, so that costs two comparisons of text and no
cryptography: what it was issued lies on a row of ours, with its names and its dates.
"""

import threading
import time
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db import IntegrityError, transaction
from django.db.models import OuterRef, Q, QuerySet
from django.utils import timezone

from fleet import policy
from fleet.models import Address, Authority, Instance, ServerCertificate
from fleet.postgres import tls

# An instance's attribute: it was given a certificate of the CA. From then on nobody connects to it without checking.
PROVES = "proves"
# For how long a process goes by the CAs that it has read (s).
REMEMBERED_S = 5.0


@dataclass(frozen=True)
class Trusted:
    """The CAs that are trusted: all in one PEM, and which one signs (its key, None while there is none)."""

    pem: str = ""
    signs: int | None = None

    @property
    def digest(self) -> str:
        return sha256(self.pem.encode()).hexdigest()[:16]


class Memory:
    """The trusted CAs as this process read them last."""

    def __init__(self) -> None:
        self._kept: Trusted | None = None
        self._until = 0.0
        self._lock = threading.Lock()

    def get(self) -> Trusted:
        with self._lock:
            if self._kept is None or time.monotonic() >= self._until:
                self._kept = read()
                self._until = time.monotonic() + REMEMBERED_S
            return self._kept

    def forget(self) -> None:
        with self._lock:
            self._kept = None


memory = Memory()


def trusted() -> Trusted:
    """The CAs by which servers are known, at most REMEMBERED_S old."""
    return memory.get()


def roots() -> str:
    """The same as one PEM, to check a server by: somebody else may have made the first CA since this process looked."""
    if not trusted().pem:
        memory.forget()
    return trusted().pem


def read() -> Trusted:
    """The CAs as the database has them now."""
    rows = Authority.objects.filter(state__in=Authority.TRUSTED).values_list("pk", "state", "certificate")
    return Trusted(
        "".join(pem for _pk, _state, pem in rows),
        next((pk for pk, state, _pem in rows if state == Authority.CURRENT), None),
    )


def authority() -> Authority:
    """The CA that signs; the first one who needs it makes it."""
    found = Authority.objects.filter(state=Authority.CURRENT).first()
    return found or make(Authority.CURRENT)


def make(state: str) -> Authority:
    """A new CA in that state, or the one that somebody else has made meanwhile."""
    made = tls.authority(f"herdsite CA {timezone.now():%Y-%m-%d}")
    try:
        with transaction.atomic():
            fresh = Authority.objects.create(state=state, certificate=made.cert, key=made.key, ends_at=made.ends_at)
    except IntegrityError:
        return Authority.objects.get(state=state)
    memory.forget()
    return fresh


def reached_by(instance: UUID | OuterRef) -> QuerySet[Address]:
    """The stable addresses by which an instance is reached, or would be if it took over: of its resources, of those
    that these follow, and of the one that it stands by for or was built for."""
    return (
        Address.objects.filter(
            Q(resource__instance=instance)
            | Q(resource__followers__instance=instance)
            | Q(resource__standbys=instance)
            | Q(resource__changeovers__target=instance)
        )
        .exclude(endpoint="")
        .order_by("endpoint")
        .distinct()
    )


def endpoints() -> ArraySubquery:
    """Those addresses as an annotation of instances, so that a batch asks once."""
    return ArraySubquery(reached_by(OuterRef("pk")).values("endpoint"))


def names(instance: Instance) -> list[str]:
    """Every name and address by which clients reach it: its own name first."""
    found = getattr(instance, "endpoints", None)
    if found is None:
        found = reached_by(instance.pk).values_list("endpoint", flat=True)
    server = instance.server
    others = {server.address, server.bind, *found} - {"", "*", instance.name}
    return [instance.name, *sorted(others)]


def issued(instance: Instance) -> ServerCertificate | None:
    """What it was issued last; its names and dates are at hand where a batch was read."""
    return getattr(instance, "certificate", None)


def fits(instance: Instance) -> bool:
    """It was issued one by the CA that signs now, for all its names, that does not have to be renewed yet."""
    mine = issued(instance)
    return (
        mine is not None
        and mine.authority_id == trusted().signs
        and mine.names == " ".join(names(instance))
        and timezone.now() < mine.renew_at
    )


def word(instance: Instance) -> str:
    """Of what an instance is told to be, the part that its certificate and the trusted CAs are; it differs from any
    that it was told before while a certificate is missing, about to end, or for other names than it is reached by."""
    mine = issued(instance)
    return f"{mine.issued_at.timestamp() if mine and fits(instance) else ''} {trusted().digest}"


def issue(instance: Instance) -> None:
    """See to it that there is a certificate for it that fits. Its host gets it with the files that say what it is."""
    if fits(instance):
        return
    signer = authority()
    if signer.pk != trusted().signs:
        # Another process has made or changed the CA since this one looked.
        memory.forget()
        if fits(instance):
            return
    alias = names(instance)
    now = timezone.now()
    made = tls.certificate(alias, tls.Certificate(signer.certificate, signer.key, signer.ends_at), now)
    fresh, _created = ServerCertificate.objects.update_or_create(
        instance=instance,
        defaults={
            "authority": signer,
            "names": " ".join(alias),
            "certificate": made.cert,
            "key": made.key,
            "issued_at": now,
            "renew_at": now + policy.CERTIFICATE_RENEWED * (made.ends_at - now),
            "ends_at": made.ends_at,
        },
    )
    instance.certificate = fresh


def files(instance: Instance) -> dict[str, str]:
    """The files beside its data by which it proves who it is and knows others; {} where it was never issued any."""
    mine = issued(instance)
    if mine is None:
        return {}
    return tls.files(tls.Certificate(mine.certificate, mine.key, mine.ends_at), trusted().pem)


def proves(instance: Instance) -> bool:
    """It has a certificate of the CA: whoever connects checks it."""
    return instance.attrs.get(PROVES) == "true"
