"""The Notifier's contract, on the fake, the log, and on email, webhook and PagerDuty against servers on loopback that
check every field; then what only one of them promises."""

import base64
import hashlib
import hmac
import json
import threading
from dataclasses import replace

import pytest
from notifier_rigs import FAULTY, KEY, MESSAGE, RIGS, SECRET, EmailRig, PagerDutyRig, WebhookRig
from receivers import Answer
from sshd import free_port
from structlog.testing import capture_logs

from incidents.notices import webhook
from incidents.notices.base import (
    ACCEPTED,
    ACKNOWLEDGE,
    CHANGE,
    CRITICAL,
    LATER,
    REFUSED,
    RESOLVE,
    SLOWED_S,
    Delivery,
)
from incidents.notices.log import Log
from incidents.notices.mail import email_settings
from incidents.notices.pagerduty import PagerDuty
from incidents.notices.webhook import CustomersWebhook, Webhook


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

    def test_a_customers_own_leads_to_nothing_of_ours(self, hook, settings):
        settings.PRIVATE_URLS = []
        for url in (hook.server.url, hook.server.url.replace("http:", "https:"), "https://169.254.169.254/"):
            assert sent(CustomersWebhook(url, SECRET)).outcome == LATER
        assert hook.attempts() == 0 and sent(hook.notifier).outcome == ACCEPTED

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

    def test_a_change_calls_nobody_and_says_what_was_done(self, duty):
        change = replace(MESSAGE, action=CHANGE, details={}, source="herdsite")
        assert sent(duty.notifier, change).outcome == ACCEPTED
        ((path, _headers, body),) = duty.server.requests
        assert path == "/v2/change/enqueue"
        assert json.loads(body) == {
            "routing_key": KEY,
            "payload": {
                "summary": MESSAGE.subject,
                "source": "herdsite",
                "timestamp": "2026-11-21T12:00:00+00:00",
                "custom_details": {"text": MESSAGE.body},
            },
        }

    def test_a_change_that_fails_is_an_answer_too(self, duty):
        outcomes = []
        for fault in ("refused", "slowed", "broken", "hangs"):
            duty.will(fault)
            outcomes.append(sent(duty.notifier, replace(MESSAGE, action=CHANGE)).outcome)
        assert outcomes == [REFUSED, LATER, LATER, LATER]

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
