"""Email, by Django's own mail: to whoever is on call, and to customers."""

import smtplib
from email.utils import parseaddr
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from django.conf import settings
from django.core.mail import EmailMessage

from incidents.notices.base import ACCEPTED, CUSTOMER, LATER, PAGE, REFUSED, RESOLVE, TEST, Delivery, Message, plain

TIMEOUT_S = 5
SUBJECT_LENGTH = 200


def email_settings(url: str) -> dict[str, Any]:
    """Django's EMAIL_* settings from smtp://user:password@host:587/?tls=1&from=herd@example.com, or smtps:// where
    TLS comes first. An empty URL gives an empty EMAIL_HOST: then there is no email."""
    parts = urlsplit(url)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    secure = parts.scheme == "smtps"
    if url and (parts.scheme not in ("smtp", "smtps") or not parts.hostname):
        raise ValueError("HERDSITE_EMAIL_URL must look like smtp://user:password@host:587/?tls=1&from=herd@example.com")
    return {
        "EMAIL_HOST": parts.hostname or "",
        "EMAIL_PORT": parts.port or (465 if secure else 587 if options.get("tls") == "1" else 25),
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_SSL": secure,
        "EMAIL_USE_TLS": not secure and options.get("tls") == "1",
        "EMAIL_TIMEOUT": TIMEOUT_S,
        "DEFAULT_FROM_EMAIL": options.get("from", "herdsite@localhost"),
    }


class Email:
    """One email a message. A repetition has the same Message-ID, a thread's mails refer to the same one."""

    actions = frozenset({PAGE, RESOLVE, CUSTOMER, TEST})

    def send(self, message: Message) -> Delivery:
        if not message.recipient:
            return Delivery(REFUSED, "there is no address to send it to")
        domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
        subject = " ".join(message.subject.split())[:SUBJECT_LENGTH]
        headers = {
            "Message-ID": f"<{message.id}@{domain}>",
            "References": f"<{message.thread.replace('/', '.')}@{domain}>",
            "Auto-Submitted": "auto-generated",
        }
        try:
            EmailMessage(subject, message.body, to=[message.recipient], headers=headers).send()
        except smtplib.SMTPRecipientsRefused as error:
            code, answer = next(iter(error.recipients.values()))
            return self._refused(code, answer)
        except smtplib.SMTPResponseException as error:
            return self._refused(error.smtp_code, error.smtp_error)
        except (smtplib.SMTPException, OSError) as error:
            return Delivery(LATER, plain(f"no mail server: {type(error).__name__}"))
        except ValueError as error:
            return Delivery(REFUSED, plain(f"not an email: {type(error).__name__}"))
        return Delivery(ACCEPTED, "taken by the mail server")

    def _refused(self, code: int, answer: bytes | str) -> Delivery:
        text = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
        # A log-in that fails is mended by an operator, and what waits goes out then.
        later = 400 <= code < 500 or code in (530, 534, 535)
        return Delivery(LATER if later else REFUSED, plain(f"{code} {text}", settings.EMAIL_HOST_PASSWORD))
