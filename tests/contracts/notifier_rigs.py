"""What the Notifier's contract is held against. A rig has `notifier`, `arrived()` (id and subject of each message),
`attempts()` and `close()`; those that can fail also have `will(fault)` and the `secrets` that no answer may contain."""

import json
from datetime import UTC, datetime

from receivers import Answer, HttpServer, SmtpServer, invalid_event
from structlog.testing import capture_logs

from incidents.notices import pagerduty, webhook
from incidents.notices.base import (
    CRITICAL,
    LATER,
    PAGE,
    REFUSED,
    Delivery,
    Message,
)
from incidents.notices.fake import FakeNotifier
from incidents.notices.log import Log
from incidents.notices.mail import Email, email_settings
from incidents.notices.pagerduty import PagerDuty
from incidents.notices.webhook import CustomersWebhook, Webhook

KEY = "0123456789abcdef0123456789abcdef"
SECRET = "a secret shared with one receiver"
MESSAGE = Message(
    id="6d0c2cf2-5f6e-4b56-9bb2-b0a5ea2d9a11",
    action=PAGE,
    thread="herdsite/incident/0d9ea1b5-4a0b-47ff-9ff7-4f4f7d3c8f0e/1",
    recipient="ann@example.com",
    subject="acme-orders does not answer: it's dürr",
    body="Two lines\nof text.\n",
    at=datetime(2026, 11, 21, 12, 0, tzinfo=UTC),
    severity=CRITICAL,
    source="acme-orders",
    details={
        "type": "instance_down",
        "component": "instance",
        "group": "acme-orders",
        "evidence": {"ssh": True, "sql": ["a", "b"]},
        "runbook": "Look first.",
        "url": "https://herd.example/things/instance/acme-orders",
    },
)


class FakeRig:
    secrets = ()

    def __init__(self, _settings, _monkeypatch):
        self.notifier = FakeNotifier()

    def will(self, outcome):
        waits = {"slowed": 60.0}
        final = Delivery(REFUSED, "400 no") if outcome == "refused" else Delivery(LATER, outcome, waits.get(outcome))
        self.notifier.outcomes.append(final)

    def arrived(self):
        return [(one.id, one.subject) for one in self.notifier.sent]

    def attempts(self):
        return len(self.notifier.tried)

    def close(self):
        pass


class HttpRig:
    statuses = {
        "refused": Answer(400, f"bad: {KEY} {SECRET}\nnext line"),
        "slowed": Answer(429, "slower"),
        "broken": Answer(503, f"down {KEY} {SECRET}"),
        "hangs": Answer(hang=True),
    }

    def will(self, outcome):
        self.server.answers.append(self.statuses[outcome])

    def attempts(self):
        return len(self.server.requests)

    def close(self):
        self.server.close()


class WebhookRig(HttpRig):
    secrets = (SECRET,)

    def __init__(self, _settings, monkeypatch):
        monkeypatch.setattr(webhook, "READ_S", 0.3)
        self.server = HttpServer()
        self.notifier = Webhook(self.server.url + "/hook", SECRET)

    def arrived(self):
        bodies = [(headers["webhook-id"], json.loads(body)) for _path, headers, body in self.server.requests]
        return [(id, body["subject"]) for id, body in bodies]


class CustomersWebhookRig(WebhookRig):
    def __init__(self, settings, monkeypatch):
        super().__init__(settings, monkeypatch)
        settings.PRIVATE_URLS = ["127.0.0.1"]
        monkeypatch.setattr(webhook, "CONNECT_S", 0.7)
        self.notifier = CustomersWebhook(self.server.url + "/hook", SECRET)


class PagerDutyRig(HttpRig):
    secrets = (KEY,)

    def __init__(self, _settings, monkeypatch):
        monkeypatch.setattr(pagerduty._Once, "timeout", 0.3)
        self.server = HttpServer(invalid_event)
        self.notifier = PagerDuty(KEY, self.server.url)

    def arrived(self):
        """PagerDuty knows an alert by its deduplication key, and only a trigger says what it is about."""
        ids = {MESSAGE.thread: MESSAGE.id}
        events = [json.loads(body) for _path, _headers, body in self.server.requests]
        return [(ids[one["dedup_key"]], one.get("payload", {}).get("summary", MESSAGE.subject)) for one in events]


class EmailRig:
    secrets = (SECRET,)

    def __init__(self, settings, _monkeypatch):
        self.server = SmtpServer()
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        for name, value in email_settings(f"smtp://127.0.0.1:{self.server.server_address[1]}").items():
            setattr(settings, name, value)
        settings.EMAIL_TIMEOUT = 0.3
        settings.EMAIL_HOST_PASSWORD = SECRET  # without a user nobody logs in: only an answer could give it away
        self.notifier = Email()

    def will(self, outcome):
        answers = {"refused": f"550 nobody {SECRET}", "slowed": "450 later", "broken": "421 closing", "hangs": "hang"}
        self.server.answers.append(answers[outcome])

    def arrived(self):
        return [(mail["message-id"].strip("<>").split("@")[0], mail["subject"]) for mail in self.server.mails]

    def attempts(self):
        return self.server.rcpts

    def close(self):
        self.server.close()


class LogRig:
    def __init__(self, _settings, _monkeypatch):
        self.notifier, self._capturing = Log(), capture_logs()
        self.lines = self._capturing.__enter__()

    def arrived(self):
        return [(line["id"], line["subject"]) for line in self.lines]

    def attempts(self):
        return len(self.lines)

    def close(self):
        self._capturing.__exit__(None, None, None)


# The log can't fail: it is held against the part of the contract that is about success.
FAULTY = {"fake": FakeRig, "email": EmailRig, "webhook": WebhookRig, "pagerduty": PagerDutyRig}
FAULTY |= {"customers_webhook": CustomersWebhookRig}


RIGS = FAULTY | {"log": LogRig}
