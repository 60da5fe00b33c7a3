"""What the paging service tells us: only what is signed, once, in any order, and into our database alone."""

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest
from django.test import RequestFactory
from noticeboard import Board, Incident

from incidents import models
from incidents.models import Page
from incidents.notices import desk, inbound
from tests import factories

pytestmark = pytest.mark.django_db

SECRET, OTHER = "their secret for us", "the one before"
AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.fixture
def board(settings, monkeypatch):
    settings.PAGERDUTY_SECRETS = [SECRET]
    return Board(settings, monkeypatch)


@pytest.fixture
def paged(board):
    """A page that went out by PagerDuty: the channel, the incident, and the page."""
    (duty,) = board.has("pagerduty")
    incident = Incident()
    page = desk.page(incident, {}, "")
    board.beat()
    return duty, incident, page


def event(kind, key, at=AT, **data):
    return {
        "event": {
            "id": "01E",
            "event_type": kind,
            "resource_type": "incident",
            "occurred_at": at.isoformat().replace("+00:00", "Z"),
            "agent": {"type": "user_reference", "summary": "Ann"},
            "data": {"id": "P1", "type": "incident", "incident_key": key, **data},
        }
    }


def sign(body, secret=SECRET):
    return "v1=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def post(content, signature=None):
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    headers = {"X-PagerDuty-Signature": sign(body) if signature is None else signature}
    request = RequestFactory(enforce_csrf_checks=True).post(
        "/hooks/pagerduty", body, content_type="application/json", headers=headers
    )
    return inbound.pagerduty(request).status_code


class TestHearing:
    def test_acknowledged_there_is_acknowledged_here(self, board, paged):
        duty, incident, page = paged
        assert post(event(inbound.ACKNOWLEDGED, page.key)) == 202
        assert desk.standing(incident.id).acknowledged_by == "Ann"
        board.beat(later=1000)
        assert [message.action for message in duty.tried] == ["page"]  # no echo, no repetition

    def test_all_of_an_incidents_pages_are_acknowledged_with_one(self, board, paged):
        duty, _incident, page = paged
        board.beat(later=301)
        assert post(event(inbound.ACKNOWLEDGED, page.key)) == 202
        board.beat(later=301)
        assert [(one.action, one.thread[-2:]) for one in duty.sent] == [
            ("page", "/1"),
            ("page", "/2"),
            ("acknowledge", "/2"),
        ]

    def test_resolved_there_ends_the_pages_here(self, board, paged):
        duty, incident, page = paged
        assert post(event(inbound.RESOLVED, page.key)) == 202
        assert desk.standing(incident.id).ended_by == "Ann"
        board.beat(later=1000)
        assert [message.action for message in duty.tried] == ["page"]

    def test_reassigned_waits_for_the_next_person(self, board, paged):
        duty, incident, page = paged
        post(event(inbound.ACKNOWLEDGED, page.key))
        post(event(inbound.REASSIGNED, page.key, AT + timedelta(seconds=1), assignees=[{"summary": "Bob"}]))
        assert desk.standing(incident.id) == desk.Standing(1, "", "Bob", "")
        board.beat(later=1000)
        assert [message.action for message in duty.sent] == ["page", "page"]

    def test_an_older_or_repeated_word_changes_nothing(self, paged):
        _duty, incident, page = paged
        post(event(inbound.ACKNOWLEDGED, page.key))
        for at in (AT, AT - timedelta(minutes=1)):
            assert post(event(inbound.REASSIGNED, page.key, at, assignees=[{"summary": "Bob"}])) == 202
        assert desk.standing(incident.id) == desk.Standing(1, "Ann", "", "")

    def test_a_word_after_the_end_changes_nothing(self, paged):
        _duty, incident, page = paged
        desk.ended(incident)
        assert post(event(inbound.ACKNOWLEDGED, page.key)) == 202
        assert desk.standing(incident.id).acknowledged_by == ""

    @pytest.mark.parametrize(
        "content",
        [
            event(inbound.ACKNOWLEDGED, "somebody else's"),
            event(inbound.ACKNOWLEDGED, None),
            event("incident.annotated", "k"),
            {"event": {"event_type": "pagey.ping", "occurred_at": AT.isoformat(), "data": {"message": "hello"}}},
        ],
    )
    def test_what_is_not_about_us_is_taken_quietly(self, paged, content):
        assert post(content) == 202
        assert Page.objects.get().heard_at is None


class TestTheIncident:
    @pytest.fixture
    def incident(self, board):
        (duty,) = board.has("pagerduty")
        subject = factories.instance()
        incident = models.Incident(
            name="incident-of-ours",
            type="instance_down",
            subject=subject.pk,
            subject_kind="instance",
            subject_name=subject.name,
        )
        incident.save()
        desk.page(incident, {}, "")
        board.beat()
        return incident

    def hear(self, incident, kind, **data):
        assert post(event(kind, f"herdsite/incident/{incident.pk}/1", **data)) == 202
        return models.Incident.objects.get(pk=incident.pk)

    def test_is_acknowledged_too(self, incident):
        heard = self.hear(incident, inbound.ACKNOWLEDGED)
        assert heard.acknowledged_by == "Ann"
        assert heard.acknowledged_at is not None

    def test_is_resolved_too(self, incident):
        assert not self.hear(incident, inbound.RESOLVED).is_open

    def test_is_assigned_too(self, incident):
        assert self.hear(incident, inbound.REASSIGNED, assignees=[{"summary": "Bob"}]).assigned_to == "Bob"

    def test_keeps_its_pages_quiet_while_it_is_snoozed(self, board, incident):
        models.Incident.objects.update(snoozed_until=board.now + timedelta(hours=1))
        board.beat(later=3500)
        assert Page.objects.count() == 1
        board.beat(later=200)
        assert Page.objects.count() == 2


class TestTrust:
    @pytest.mark.parametrize("signature", ["", "v1=", "v1=00", "v2=" + "0" * 64, "v1=ü", ",,,"])
    def test_what_is_not_signed_changes_nothing(self, paged, signature):
        _duty, incident, page = paged
        assert post(event(inbound.ACKNOWLEDGED, page.key), signature) == 403
        assert desk.standing(incident.id).acknowledged_by == ""

    def test_a_signature_is_of_this_body_only(self, paged):
        _duty, _incident, page = paged
        other = json.dumps(event(inbound.RESOLVED, page.key)).encode()
        assert post(event(inbound.ACKNOWLEDGED, page.key), sign(other)) == 403

    def test_one_of_several_signatures_will_do(self, paged, settings):
        _duty, _incident, page = paged
        body = json.dumps(event(inbound.ACKNOWLEDGED, page.key)).encode()
        assert post(body, f"{sign(body, OTHER)}, {sign(body)}") == 202
        settings.PAGERDUTY_SECRETS = [OTHER, SECRET]
        assert post(body, sign(body)) == 202

    def test_without_a_secret_nothing_is_believed(self, paged, settings):
        settings.PAGERDUTY_SECRETS = []
        body = json.dumps(event(inbound.ACKNOWLEDGED, "k")).encode()
        assert post(body, sign(body, "")) == 403

    @pytest.mark.parametrize(
        "body", [b"", b"{", b"[]", b'"event"', b"\xff", b"{}", b'{"event": 7}', b'{"event": {"event_type": "x"}}']
    )
    def test_what_can_not_be_read_is_said(self, board, body):
        assert post(body) == 400

    def test_only_post(self):
        assert inbound.pagerduty(RequestFactory().get("/hooks/pagerduty")).status_code == 405
