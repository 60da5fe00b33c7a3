"""The channels that there are: each is built from the settings by a function of its name in settings.NOTIFIERS, which
answers None while its settings are missing."""

from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.utils.module_loading import import_string

from incidents.models.notices import Hook, Notice
from incidents.notices.base import Notifier
from incidents.notices.mail import Email
from incidents.notices.pagerduty import PagerDuty
from incidents.notices.webhook import CustomersWebhook, Webhook

log = structlog.get_logger("channels")

# What each needs, for people who wonder why a channel is silent.
NEEDS = {
    "pagerduty": "HERDSITE_PAGERDUTY_KEY",
    "email": "HERDSITE_EMAIL_URL",
    "webhook": "HERDSITE_WEBHOOK_URL and HERDSITE_WEBHOOK_SECRET",
}


class NoSuchChannel(LookupError):
    """No channel of that name; the message lists those that there are."""


def notifier(name: str) -> Notifier | None:
    """The channel of that name, or None while it is not configured."""
    try:
        return import_string(settings.NOTIFIERS[name])()
    except KeyError as error:
        raise NoSuchChannel(f"No channel {name!r}: there are {', '.join(settings.NOTIFIERS)}.") from error


def known() -> list[str]:
    return list(settings.NOTIFIERS)


def usable(name: str) -> bool:
    """Whether there is such a channel and it is configured. A name that nobody knows is logged and passed over: a typo
    in the settings must not keep a page from going out."""
    try:
        return notifier(name) is not None
    except NoSuchChannel as error:
        log.error("no such channel", why=str(error))
        return False


def carries(name: str, action: str) -> bool:
    """Whether the channel is configured and takes that action."""
    found = notifier(name) if usable(name) else None
    return found is not None and action in found.actions


def notifier_for(notice: Notice) -> Notifier | None:
    """The channel by which a notice goes: a customer's webhook is the customer's own."""
    if notice.channel == "webhook" and notice.customer_id:
        hook = Hook.objects.filter(customer=notice.customer_id).first()
        return CustomersWebhook(hook.url, hook.secret) if hook else None
    return notifier(notice.channel)


def pagerduty() -> PagerDuty | None:
    return PagerDuty(settings.PAGERDUTY_KEY, settings.PAGERDUTY_URL) if settings.PAGERDUTY_KEY else None


def email() -> Email | None:
    return Email() if settings.EMAIL_HOST else None


def webhook() -> Webhook | None:
    """An unsigned webhook is none: whoever finds its URL could make up incidents."""
    if settings.WEBHOOK_URL and settings.WEBHOOK_SECRET:
        return Webhook(settings.WEBHOOK_URL, settings.WEBHOOK_SECRET)
    return None


def place(url: str) -> str:
    """What may be shown of a webhook's URL: its host, since the rest is often a secret."""
    return urlsplit(url).hostname or ""
