"""The Notifier's contract, on the fake, the log, and on email, webhook and PagerDuty against servers on loopback that
check every field; then what only one of them promises."""

import base64
import hashlib
import hmac
import json
import socketserver
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from sshd import free_port
from structlog.testing import capture_logs

from incidents.notices import pagerduty, webhook
from incidents.notices.base import (
    ACCEPTED,
    ACKNOWLEDGE,
    CRITICAL,
    LATER,
    PAGE,
    REFUSED,
    RESOLVE,
    SLOWED_S,
    Delivery,
    Message,
)
from incidents.notices.fake import FakeNotifier
from incidents.notices.log import Log
from incidents.notices.mail import Email, email_settings
from incidents.notices.pagerduty import PagerDuty
from incidents.notices.webhook import Webhook

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


@dataclass
class Answer:
    status: int = 202
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False


class HttpServer(ThreadingHTTPServer):
    """Keeps what it got in `requests`, answers with `answers` in turn; hangs until it is closed when told to."""

    daemon_threads = True

    def __init__(self, check=lambda path, body: None):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.check, self.requests, self.answers, self.closed = check, [], deque(), threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def close(self):
        self.closed.set()
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        wrong = self.server.check(self.path, body)
        ok = json.dumps({"status": "success", "message": "processed", "dedup_key": "k"})
        answer = self.server.answers.popleft() if self.server.answers else Answer(body=ok)
        if wrong:
            answer = Answer(400, json.dumps({"status": "invalid event", "errors": [wrong]}))
        if answer.hang:
            self.server.closed.wait()
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer.body.encode())))
        self.end_headers()
        self.wfile.write(answer.body.encode())

    do_GET = do_POST

    def log_message(self, *_args):
        pass


def invalid_event(path, raw):
    """What PagerDuty's Events API v2 would say is wrong with an event, or None."""
    event = json.loads(raw)
    if path != "/v2/enqueue" or len(raw) > 512 * 1024:
        return "path or size"
    if set(event) - {"routing_key", "event_action", "dedup_key", "payload", "links", "images", "client", "client_url"}:
        return f"unknown fields in {sorted(event)}"
    if len(event["routing_key"]) != 32 or not 0 < len(event["dedup_key"]) <= 255:
        return "keys"
    if event["event_action"] != "trigger":
        return None if event["event_action"] in ("acknowledge", "resolve") and "payload" not in event else "action"
    payload = event["payload"]
    optional = {"timestamp", "component", "group", "class", "custom_details"}
    if set(payload) - optional != {"summary", "source", "severity"}:
        return f"payload has {sorted(payload)}"
    if not 0 < len(payload["summary"]) <= 1024 or not payload["source"]:
        return "summary or source"
    if payload["severity"] not in ("critical", "error", "warning", "info"):
        return "severity"
    if datetime.fromisoformat(payload["timestamp"]).tzinfo is None:
        return "timestamp"
    if not isinstance(payload["custom_details"], dict):
        return "custom_details"
    return None if all(set(link) == {"href", "text"} for link in event.get("links", [])) else "links"


class SmtpServer(socketserver.ThreadingTCPServer):
    """As much of SMTP as it takes to get a mail. `answers` are given to RCPT in turn, "hang" hangs there."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Smtp)
        self.mails, self.answers, self.rcpts, self.closed = [], deque(), 0, threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self.closed.set()
        self.shutdown()
        self.server_close()


class _Smtp(socketserver.StreamRequestHandler):
    def handle(self):
        with suppress(ConnectionError):
            self.say("220 here")
            while line := self.rfile.readline():
                verb = line[:4].upper()
                if verb == b"RCPT":
                    self.server.rcpts += 1
                    answer = self.server.answers.popleft() if self.server.answers else "250 ok"
                    if answer == "hang":
                        self.server.closed.wait()
                        return
                    self.say(answer)
                elif verb == b"DATA":
                    self.say("354 go on")
                    lines = iter(self.rfile.readline, b".\r\n")
                    self.server.mails.append(message_from_bytes(b"".join(lines), policy=policy.default))
                    self.say("250 taken")
                else:
                    self.say("250 ok")
                    if verb == b"QUIT":
                        return

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")


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


RIGS = FAULTY | {"log": LogRig}


@pytest.fixture(params=RIGS)
def rig(request, settings, monkeypatch):
    made = RIGS[request.param](settings, monkeypatch)
    yield made
    made.close()


@pytest.fixture(params=FAULTY)
def faulty(request, settings, monkeypatch):
    made = FAULTY[request.param](settings, monkeypatch)
    yield made
    made.close()


@pytest.fixture
def hook(settings, monkeypatch):
    made = WebhookRig(settings, monkeypatch)
    yield made
    made.close()


@pytest.fixture
def duty(settings, monkeypatch):
    made = PagerDutyRig(settings, monkeypatch)
    yield made
    made.close()


@pytest.fixture
def mail(settings, monkeypatch):
    made = EmailRig(settings, monkeypatch)
    yield made
    made.close()


def sent(notifier, message=MESSAGE):
    """What comes of it, in a thread that has to end long before this gives up."""
    results = []
    thread = threading.Thread(target=lambda: results.append(notifier.send(message)), daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive(), "it did not come back"
    (delivery,) = results
    assert "\n" not in delivery.answer
    return delivery


class TestContract:
    def test_what_is_accepted_has_arrived_once(self, rig):
        assert sent(rig.notifier).outcome == ACCEPTED
        assert rig.arrived() == [(MESSAGE.id, MESSAGE.subject)]
        assert rig.attempts() == 1

    def test_every_action_that_it_carries_is_accepted(self, rig):
        for action in sorted(rig.notifier.actions):
            assert sent(rig.notifier, replace(MESSAGE, action=action)).outcome == ACCEPTED
        assert rig.attempts() == len(rig.notifier.actions)

    def test_a_repetition_can_be_told(self, rig):
        first, second = (sent(rig.notifier), sent(rig.notifier))
        assert first.outcome == second.outcome == ACCEPTED
        assert rig.arrived()[0] == rig.arrived()[1]

    @pytest.mark.parametrize(
        ("fault", "outcome"), [("refused", REFUSED), ("slowed", LATER), ("broken", LATER), ("hangs", LATER)]
    )
    def test_a_fault_is_an_answer_and_one_attempt(self, faulty, fault, outcome):
        faulty.will(fault)
        delivery = sent(faulty.notifier)
        assert delivery.outcome == outcome
        assert delivery.answer
        assert faulty.attempts() == 1
        assert all(secret not in delivery.answer for secret in faulty.secrets)

    def test_after_a_fault_it_goes_on(self, faulty):
        faulty.will("broken")
        assert [sent(faulty.notifier).outcome, sent(faulty.notifier).outcome] == [LATER, ACCEPTED]


class TestLog:
    def test_a_page_is_an_error_in_the_log(self):
        with capture_logs() as lines:
            sent(Log())
            sent(Log(), replace(MESSAGE, action=RESOLVE))
        assert [(line["log_level"], line["severity"]) for line in lines] == [("error", CRITICAL), ("info", CRITICAL)]


class TestOverHttp:
    @pytest.fixture(params=["hook", "duty"])
    def http(self, request):
        return request.getfixturevalue(request.param)

    def test_no_answer_and_no_name_contains_a_secret(self, http):
        for fault in ("refused", "broken"):
            http.will(fault)
            delivery = sent(http.notifier)
            assert "***" in delivery.answer
            assert all(secret not in delivery.answer + repr(http.notifier) for secret in http.secrets)

    def test_429_waits_a_minute_or_what_it_says(self, http):
        http.server.answers.extend([Answer(429), Answer(429, headers={"Retry-After": "90"})])
        http.server.answers.append(Answer(429, headers={"Retry-After": "999999"}))
        assert [sent(http.notifier).wait_s for _ in range(3)] == [SLOWED_S, 90.0, 3600.0]

    def test_redirects_are_not_followed(self, http):
        http.server.answers.append(Answer(307, headers={"Location": http.server.url + "/elsewhere"}))
        assert sent(http.notifier).outcome == REFUSED
        assert http.attempts() == 1

    def test_nobody_listens(self):
        nowhere = f"http://127.0.0.1:{free_port()}"
        for notifier in (Webhook(nowhere, SECRET), PagerDuty(KEY, nowhere)):
            assert sent(notifier).outcome == LATER


class TestWebhook:
    def test_everything_is_said_and_signed(self, hook):
        sent(hook.notifier)
        ((path, headers, body),) = hook.server.requests
        assert (path, headers["content-type"]) == ("/hook", "application/json")
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        digest = base64.b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{digest}"
        assert json.loads(body) == {
            "id": MESSAGE.id,
            "action": "page",
            "thread": MESSAGE.thread,
            "recipient": MESSAGE.recipient,
            "subject": MESSAGE.subject,
            "body": MESSAGE.body,
            "at": "2026-11-21T12:00:00+00:00",
            "severity": "critical",
            "source": "acme-orders",
            "details": MESSAGE.details,
        }

    def test_the_published_example_of_the_convention(self):
        secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
        body = b'{"test": 2432232314}'
        assert (
            webhook.signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body)
            == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        )

    @pytest.mark.parametrize("url", ["no url at all", "http://", "gopher://127.0.0.1/", "http://127.0.0.1:99999/"])
    def test_what_is_no_url_is_refused_or_not_reached(self, url):
        assert sent(Webhook(url, SECRET)).outcome in (REFUSED, LATER)

    def test_a_secret_that_is_none_is_refused_unnamed(self, hook):
        delivery = sent(Webhook(hook.server.url, "whsec_%%%"))
        assert (delivery.outcome, hook.attempts()) == (REFUSED, 0)
        assert "%%%" not in delivery.answer


class TestPagerDuty:
    def test_a_trigger_says_everything(self, duty):
        assert sent(duty.notifier).outcome == ACCEPTED
        ((path, _headers, body),) = duty.server.requests
        assert path == "/v2/enqueue"
        assert json.loads(body) == {
            "routing_key": KEY,
            "event_action": "trigger",
            "dedup_key": MESSAGE.thread,
            "payload": {
                "summary": MESSAGE.subject,
                "source": "acme-orders",
                "severity": "critical",
                "timestamp": "2026-11-21T12:00:00+00:00",
                "component": "instance",
                "group": "acme-orders",
                "class": "instance_down",
                "custom_details": MESSAGE.details,
            },
            "client": "herdsite",
            "client_url": MESSAGE.details["url"],
            "links": [{"href": MESSAGE.details["url"], "text": "In herdsite"}],
        }

    @pytest.mark.parametrize(("action", "event"), [(ACKNOWLEDGE, "acknowledge"), (RESOLVE, "resolve")])
    def test_the_rest_is_only_about_the_key(self, duty, action, event):
        sent(duty.notifier, replace(MESSAGE, action=action))
        ((_path, _headers, body),) = duty.server.requests
        assert json.loads(body) == {"routing_key": KEY, "event_action": event, "dedup_key": MESSAGE.thread}

    def test_only_202_is_accepted(self, duty):
        duty.server.answers.extend([Answer(200, '{"dedup_key": "k"}'), Answer(202, "not json at all")])
        assert [sent(duty.notifier).outcome, sent(duty.notifier).outcome] == [LATER, ACCEPTED]

    def test_what_is_too_long_is_cut(self, duty):
        details = MESSAGE.details | {"evidence": {str(n): "x" * 1000 for n in range(700)}}
        long = replace(MESSAGE, subject="s" * 3000, details=details)
        assert sent(duty.notifier, long).outcome == ACCEPTED

    def test_what_it_calls_invalid_is_refused(self, duty):
        assert sent(duty.notifier, replace(MESSAGE, severity="dreadful")) == Delivery(
            REFUSED, '400 {"status": "invalid event", "errors": ["severity"]}'
        )

    def test_the_key_never_goes_out_in_the_clear(self):
        assert sent(PagerDuty(KEY, "http://192.0.2.1")).outcome == REFUSED


class TestEmail:
    def test_a_mail_is_what_was_said(self, mail):
        sent(mail.notifier)
        (got,) = mail.server.mails
        assert (got["to"], got["from"]) == ("ann@example.com", "herdsite@localhost")
        assert got.get_content().split() == MESSAGE.body.split()
        assert got["auto-submitted"] == "auto-generated"

    def test_a_thread_is_one(self, mail):
        sent(mail.notifier)
        sent(mail.notifier, replace(MESSAGE, id="another", action=RESOLVE))
        assert len({got["references"] for got in mail.server.mails}) == 1

    def test_no_subject_makes_a_header(self, mail):
        assert sent(mail.notifier, replace(MESSAGE, subject="a\r\nBcc: eve@example.com")).outcome == ACCEPTED
        (got,) = mail.server.mails
        assert (got["subject"], got["bcc"]) == ("a Bcc: eve@example.com", None)

    @pytest.mark.parametrize("recipient", ["", "a@example.com\nBcc: eve@example.com"])
    def test_what_is_no_address_is_refused(self, mail, recipient):
        assert sent(mail.notifier, replace(MESSAGE, recipient=recipient)).outcome == REFUSED
        assert mail.server.mails == []

    def test_nobody_listens(self, mail, settings):
        settings.EMAIL_PORT = free_port()
        assert sent(mail.notifier).outcome == LATER

    def test_a_url_is_all_its_settings(self):
        assert email_settings("smtp://me:p%40ss@mail.example:2525/?tls=1&from=herd@example.com") == {
            "EMAIL_HOST": "mail.example",
            "EMAIL_PORT": 2525,
            "EMAIL_HOST_USER": "me",
            "EMAIL_HOST_PASSWORD": "p@ss",
            "EMAIL_USE_SSL": False,
            "EMAIL_USE_TLS": True,
            "EMAIL_TIMEOUT": 5,
            "DEFAULT_FROM_EMAIL": "herd@example.com",
        }
        assert email_settings("smtps://mail.example")["EMAIL_PORT"] == 465
        assert email_settings("")["EMAIL_HOST"] == ""
        with pytest.raises(ValueError, match="must look like"):
            email_settings("me:secret@mail.example")
