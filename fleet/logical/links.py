"""Links to download a logical backup: signed, so that nobody can make one up, and good for ten minutes. Making one is
written down in the backup's story; whoever has it needs no login."""

from django.conf import settings
from django.core.signing import BadSignature, SignatureExpired, TimestampSigner

from fleet.askers import Asker, may, named
from fleet.lifecycle import Because, story
from fleet.models import Backup
from fleet.roles import SECRETS
from fleet.states import KEPT

GOOD_FOR_S = 600
PATH = "/downloads"


class NoLink(ValueError):
    """There is nothing to download by that; the message says why and what to do."""


def make(name: str, actor: str | Asker) -> str:
    """A link to the logical backup of that name, whole where settings.URL is set: for who may be shown secrets, since a
    dump holds them all. Forbidden for others; NoLink if it is not kept."""
    by = named(actor)
    may(by, SECRETS)
    backup = Backup.objects.filter(name=name, method=Backup.LOGICAL).first()
    if backup is None or backup.state != KEPT:
        raise NoLink(f"There is no logical backup {name!r} that is kept. See: manage.py backups NAME")
    story(backup, "link made", Because(None, f"to download it, for {GOOD_FOR_S // 60} minutes", by.name))
    return f"{settings.URL}{PATH}?token={_signer().sign(backup.pk.hex)}"


def follow(token: str) -> Backup:
    """The backup that a link leads to. NoLink when it was tampered with, is too old, or its backup has gone."""
    try:
        key = _signer().unsign(token, max_age=GOOD_FOR_S)
    except SignatureExpired as error:
        raise NoLink("This link is too old: it was good for ten minutes. Ask for another.") from error
    except BadSignature as error:
        raise NoLink("The link is not valid, or a part of it is missing.") from error
    backup = Backup.objects.filter(pk=key, state=KEPT).first()
    if backup is None:
        raise NoLink("This backup is not kept any more.")
    return backup


def _signer() -> TimestampSigner:
    return TimestampSigner(salt="herdsite.logical.links")
