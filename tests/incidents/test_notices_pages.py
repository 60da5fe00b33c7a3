"""The life of a page, from the desk to the channels: told once, passed on, repeated, acknowledged, ended, held back."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.urls import reverse
from noticeboard import BROKEN, REFUSES, SLOWED, Board, Incident
from pytest import fixture

from incidents.models import Notice, Page, Rota
from incidents.notices import desk, outbox, pages
from incidents.notices.base import LATER, Delivery
from tests import factories

pytestmark = pytest.mark.django_db


@fixture
def board(settings, monkeypatch):
    return Board(settings, monkeypatch)


def page(incident):
    return desk.page(incident, {"ssh": "answers", "sql": "refused"}, "1. Look at the log.")


def on_call(board, *names):
    for order, name in enumerate(names, 1):
        day = timedelta(days=1)
        Rota.objects.create(
            who=name, email=f"{name}@example.com", starts=board.now - day, ends=board.now + day, order=order
        )


def actions(channel):
    return [message.action for message in channel.sent]


class TestPaging:
    def test_a_page_goes_out_once_with_all_that_is_known(self, board):
        (duty,) = board.has("pagerduty")
        incident = Incident()
        page(incident)
        assert duty.tried == []  # the row is there before anything is sent
        assert Notice.objects.get().state == Notice.QUEUED
        assert board.beat() == 1
        assert board.beat() == 0
        (message,) = duty.sent
        assert message.thread == f"herdsite/incident/{incident.id}/1"
        assert (message.severity, message.source) == ("critical", "acme-orders")
        assert message.details["evidence"] == {"ssh": "answers", "sql": "refused"}
        assert "PostgreSQL does not answer" in message.subject
        for said in ("ssh: answers", "1. Look at the log.", incident.name, "instance acme-orders"):
            assert said in message.body
        notice = Notice.objects.get()
        assert (notice.state, notice.answer, notice.attempts) == (Notice.SENT, "202 taken", 1)

    def test_asking_again_before_anybody_acknowledged_is_the_same_page(self, board):
        (duty,) = board.has("pagerduty")
        incident = Incident()
        assert page(incident) == page(incident)
        board.beat()
        assert len(duty.sent) == 1

    def test_after_an_acknowledgement_it_is_the_next_escalation(self, board):
        (duty,) = board.has("pagerduty")
        incident = Incident()
        page(incident)
        board.beat()
        assert desk.acknowledged(incident, "ann") == 1
        assert page(incident).n == 2
        board.beat()
        assert actions(duty) == ["page", "acknowledge", "page"]
        assert len({message.thread for message in duty.sent}) == 2

    @pytest.mark.parametrize(
        ("severity", "told"), [("page", "critical"), ("warn", "warning"), ("info", "info"), ("odd", "error")]
    )
    def test_severities(self, board, severity, told):
        assert page(Incident(severity=severity)).severity == told

    def test_a_starter_is_one_step_less(self, board):
        name = factories.resource(plan=factories.plan("starter-0")).name
        assert page(Incident(subject_kind="resource", subject_name=name)).severity == "error"

    def test_a_page_of_a_transaction_that_fails_is_none(self, board):
        (duty,) = board.has("pagerduty")
        with pytest.raises(RuntimeError), transaction.atomic():
            page(Incident())
            raise RuntimeError("the incident could not move")
        assert board.beat() == 0
        assert duty.tried == []

    def test_the_link_leads_to_the_incident(self, board, settings):
        settings.URL = "https://herd.example"
        (duty,) = board.has("pagerduty")
        page(Incident(name="instance-down-acme-1"))
        board.beat()
        link = f"{settings.URL}{reverse('incident', args=['instance-down-acme-1'])}"
        assert duty.sent[0].details["url"] == link
        assert link in duty.sent[0].body

    def test_what_is_about_no_one_incident_leads_to_all_of_them(self, board, settings):
        settings.URL, settings.PAGES_PER_MINUTE = "https://herd.example", 1
        (duty,) = board.has("pagerduty")
        page(Incident())
        page(Incident())
        board.beat()
        assert [one.details["url"] for one in duty.sent if one.details["type"] == "page_storm"] == [
            f"{settings.URL}{reverse('incidents')}"
        ]


class TestPassingOn:
    @pytest.mark.parametrize("fault", [REFUSES, SLOWED])
    def test_what_can_not_get_through_soon_goes_the_second_way_at_once(self, board, fault):
        duty, hook = board.has("pagerduty", "webhook")
        duty.outcomes.append(fault)
        page(Incident())
        board.beat()
        assert len(hook.sent) == 1
        assert board.failed == [("pagerduty", fault.answer)]

    def test_refused_is_final(self, board):
        duty, _hook = board.has("pagerduty", "webhook")
        duty.outcomes.append(REFUSES)
        page(Incident())
        board.beat()
        board.beat(later=200)
        assert len(duty.tried) == 1
        assert Notice.objects.get(channel="pagerduty").state == Notice.FAILED

    def test_slowed_waits_a_minute_at_least(self, board):
        (duty,) = board.has("pagerduty")
        duty.outcomes.append(SLOWED)
        page(Incident())
        board.beat()
        board.beat(later=59)
        assert len(duty.tried) == 1
        board.beat(later=32)
        assert len(duty.sent) == 1

    def test_a_channel_that_stays_down_is_tried_until_it_accepts_and_told_of_once(self, board, settings):
        settings.PAGE_AGAIN_S = 10_000.0
        duty, hook = board.has("pagerduty", "webhook")
        duty.outcomes.extend([BROKEN] * 5)
        page(Incident())
        for tries in range(1, 7):
            assert len(hook.sent) == (tries > outbox.PATIENCE)
            board.beat(later=50)
            assert len(duty.tried) == tries
        assert len(duty.sent) == len(hook.sent) == 1
        assert board.failed == [("pagerduty", "503 down")]
        assert outbox.failing() == {}

    def test_a_repetition_takes_the_place_of_what_has_not_got_through(self, board):
        (duty,) = board.has("pagerduty")
        duty.outcomes.extend([BROKEN] * 2)
        incident = Incident()
        page(incident)
        board.beat()
        board.beat(later=301)
        board.beat(later=250)
        assert [message.thread[-2:] for message in duty.sent] == ["/2"]
        desk.ended(incident)
        board.beat()
        assert sorted(message.thread[-2:] for message in duty.sent if message.action == "resolve") == ["/1", "/2"]

    def test_it_goes_on_as_far_as_there_are_ways(self, board):
        on_call(board, "ann", "bob")
        duty, mail, hook, log = board.has("pagerduty", "email", "webhook", "log")
        for channel in (duty, hook):
            channel.outcomes.append(REFUSES)
        mail.outcomes.extend([REFUSES, REFUSES])
        page(Incident())
        board.beat()
        assert [message.recipient for message in mail.tried] == ["ann@example.com", "bob@example.com"]
        assert [message.recipient for message in hook.tried] == ["hooks.example"]
        assert len(log.sent) == 1
        assert set(outbox.failing()) == {"pagerduty", "email", "webhook"}

    def test_a_channel_that_raises_is_a_channel_that_fails(self, board, monkeypatch):
        duty, hook = board.has("pagerduty", "webhook")
        monkeypatch.setattr(duty, "send", lambda message: 1 / 0)
        page(Incident())
        for _ in range(outbox.PATIENCE + 1):
            board.beat(later=20)
        assert len(hook.sent) == 1
        assert board.failed == [("pagerduty", "ZeroDivisionError in herdsite")]

    def test_a_name_that_is_no_channel_stops_nobody(self, board, settings):
        (duty,) = board.has("pagerduty")
        settings.PAGING = ["pagerdutty", "pagerduty"]
        page(Incident())
        board.beat()
        assert len(duty.sent) == 1

    def test_the_log_is_a_way_even_if_nobody_says_so(self, board, settings):
        (log,) = board.has("log")
        settings.PAGING = []
        page(Incident())
        board.beat()
        assert len(log.sent) == 1


class TestRota:
    def test_who_is_on_call_now_comes_first_and_then_the_fallback(self, board):
        on_call(board, "ann", "bob")
        gone = board.now - timedelta(days=2)
        Rota.objects.create(who="old", email="old@example.com", starts=gone, ends=gone + timedelta(days=1), order=0)
        (mail,) = board.has("email")
        page(Incident())
        board.beat()
        board.beat(later=301)
        board.beat(later=301)
        assert [message.recipient for message in mail.sent] == ["ann@example.com", "bob@example.com", "ann@example.com"]

    def test_shifts_meet_without_gap_or_overlap(self, board):
        at, hour = board.now, timedelta(hours=1)
        Rota.objects.create(who="ann", email="ann@example.com", starts=at - hour, ends=at)
        Rota.objects.create(who="bob", email="bob@example.com", starts=at, ends=at + hour)
        assert [person.who for person in Rota.on_call(at)] == ["bob"]


class TestUntilSomebodyComes:
    def test_it_comes_again_until_acknowledged(self, board):
        (duty,) = board.has("pagerduty")
        incident = Incident()
        page(incident)
        for later in (0, 299, 2, 301):
            board.beat(later=later)
        assert [message.thread[-2:] for message in duty.sent] == ["/1", "/2", "/3"]
        assert desk.acknowledged(incident, "ann") == 3
        board.beat(later=1000)
        assert actions(duty) == ["page"] * 3 + ["acknowledge"] * 3
        assert desk.standing(incident.id) == desk.Standing(3, "ann", "", "")

    def test_the_end_is_told_to_whoever_was_told(self, board):
        on_call(board, "ann")
        duty, mail, hook = board.has("pagerduty", "email", "webhook")
        duty.outcomes.append(REFUSES)
        incident = Incident()
        page(incident)
        board.beat()
        assert desk.ended(incident) == 1
        assert desk.ended(incident) == 0
        board.beat(later=1000)
        assert actions(mail) == ["page", "resolve"]
        assert duty.sent == hook.sent == []
        assert desk.standing(incident.id).ended_by == "herdsite"

    def test_an_end_before_anything_was_sent_is_silence(self, board):
        (duty,) = board.has("pagerduty")
        incident = Incident()
        page(incident)
        desk.ended(incident)
        assert board.beat() == 0
        assert duty.tried == []
        assert Notice.objects.get().state == Notice.CANCELLED

    def test_what_may_have_arrived_is_resolved_and_not_sent_again(self, board):
        (duty,) = board.has("pagerduty")
        duty.outcomes.append(Delivery(LATER, "no answer: ReadTimeout"))
        incident = Incident()
        page(incident)
        board.beat()
        desk.ended(incident)
        board.beat(later=30)
        assert [message.action for message in duty.tried] == ["page", "resolve"]

    def test_a_resolve_waits_for_the_page_under_way(self, board):
        (duty,) = board.has("pagerduty")
        incident = Incident()
        page(incident)
        under_way = outbox.claim(board.now + timedelta(seconds=1))
        desk.ended(incident)
        assert board.beat() == 0
        outbox.finish(under_way, duty.send(outbox.message(under_way)), outbox.clock())
        board.beat()
        assert actions(duty) == ["page", "resolve"]

    def test_a_page_after_the_end_is_a_new_one(self, board):
        (duty,) = board.has("pagerduty")
        incident = Incident()
        page(incident)
        desk.ended(incident)
        assert page(incident).n == 2
        board.beat()
        assert [message.thread[-2:] for message in duty.sent] == ["/2"]


class TestBreaker:
    def test_a_flood_is_held_and_one_page_says_so(self, board, settings):
        settings.PAGES_PER_MINUTE = 3
        (duty,) = board.has("pagerduty")
        incidents = [Incident() for _ in range(8)]
        for incident in incidents:
            page(incident)
        board.beat()
        assert len(duty.sent) == 4
        (storm,) = [message for message in duty.sent if message.details["type"] == "page_storm"]
        assert storm.severity == "critical"
        for incident in incidents[:6]:
            desk.ended(incident)
        for _ in range(4):
            board.beat(later=61)
        told = [message.details["incident_name"] for message in duty.sent if message.action == "page"]
        assert sorted(told) == sorted([one.name for one in incidents[:3] + incidents[6:]] + ["too-many-pages"])

    def test_it_closes_when_it_is_calm_and_opens_again(self, board, settings):
        settings.PAGES_PER_MINUTE = 2
        (duty,) = board.has("pagerduty")
        for _ in range(2):
            incidents = [Incident() for _ in range(3)]
            for incident in incidents:
                page(incident)
            board.beat(later=1)
            assert Page.objects.filter(incident=pages.BREAKER, ended_at=None).count() == 1
            for incident in incidents:
                desk.ended(incident)
            board.beat(later=10)
            assert Page.objects.filter(incident=pages.BREAKER, ended_at=None).count() == 1
            board.beat(later=100)
            assert not Page.objects.filter(incident=pages.BREAKER, ended_at=None).exists()
        storms = [message.action for message in duty.sent if message.source == "herdsite"]
        assert storms == ["page", "resolve", "page", "resolve"]


@pytest.mark.django_db(transaction=True)
class TestSideBySide:
    def test_many_workers_send_each_message_once(self, board):
        (duty,) = board.has("pagerduty")
        for _ in range(8):
            page(Incident())
        _together(4, lambda: outbox.send_due(20, board.now))
        assert len(duty.sent) == 8
        assert len({message.id for message in duty.sent}) == 8

    def test_many_askers_make_one_page(self, board):
        (duty,) = board.has("pagerduty")
        incident = Incident()
        _together(4, lambda: page(incident))
        board.beat()
        assert len(duty.sent) == Page.objects.count() == 1


def _together(n, work):
    """Run it in n threads at once, each with a connection of its own, and let whatever went wrong be seen."""
    barrier, errors = threading.Barrier(n), []

    def run():
        try:
            barrier.wait()
            work()
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
