"""What customers hear: by policy, in their words, once, in order, and all of it kept."""

import pytest
from noticeboard import BROKEN, REFUSES, Board, Incident

from incidents.models import Hook, Notice
from incidents.notices import channels, desk, outbox
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def board(settings, monkeypatch):
    settings.NOTICES = {"opened": "send", "asked": "send", "tried": "send", "fixed": "send", "planned": "send"}
    return Board(settings, monkeypatch)


@pytest.fixture
def incident():
    return Incident(customer=factories.customer(name="Acme & Söhne", email="ops@acme.example"))


def told(channel):
    return [message.details["moment"] for message in channel.sent]


class TestMoments:
    def test_what_a_customer_hears_is_sent_and_kept(self, board, incident):
        (mail,) = board.has("email")
        desk.tell_customer(incident, "tried")
        assert mail.tried == []
        board.beat()
        (message,) = mail.sent
        assert message.recipient == "ops@acme.example"
        assert message.subject == "acme-orders still has a problem"
        assert "Hello Acme & Söhne," in message.body
        assert "instance down" in message.body
        notice = Notice.objects.get()
        assert (notice.state, notice.customer, notice.incident) == (Notice.SENT, incident.customer, incident.id)

    def test_a_customer_reads_the_name_of_the_database(self, board):
        database = factories.resource()
        incident = Incident(customer=database.customer, subject_name=database.instance.name)
        (notice,) = desk.tell_customer(incident, "tried")
        assert notice.subject == f"{database.name} still has a problem"
        assert database.instance.name not in notice.body

    def test_telling_twice_is_telling_once(self, board, incident):
        (mail,) = board.has("email")
        assert desk.tell_customer(incident, "tried") == desk.tell_customer(incident, "tried")
        board.beat()
        assert len(mail.sent) == 1

    def test_a_type_may_have_words_of_its_own(self, board, incident):
        incident.type = "resource_down"
        (notice,) = desk.tell_customer(incident, "tried")
        assert notice.subject == "acme-orders can't be reached"

    @pytest.mark.thorough
    @pytest.mark.parametrize("moment", ["opened", "asked", "tried", "planned", "fixed"])
    @pytest.mark.parametrize(
        "type", ["resource_down", "row_limit", "durability_weakened", "server_retiring", "never_heard_of"]
    )
    def test_every_text_has_a_subject_a_name_and_a_body(self, board, incident, type, moment):
        incident.type = type
        desk.tell_customer(incident, "opened")
        board.has("email")
        board.beat()
        notice = desk.tell_customer(incident, moment, at=board.now)[0]
        assert "acme-orders" in notice.subject
        assert "Hello Acme & Söhne," in notice.body
        assert "{" not in notice.subject + notice.body

    def test_planned_work_says_when(self, board, incident):
        (notice,) = desk.tell_customer(incident, "planned", at=board.now)
        assert f"{board.now:%Y-%m-%d %H:%M} UTC" in notice.subject

    def test_who_heard_nothing_is_not_told_that_it_is_over(self, board, incident):
        (mail,) = board.has("email")
        assert desk.tell_customer(incident, "fixed") == []
        board.beat()
        assert mail.tried == []

    def test_who_heard_is_told_in_order(self, board, incident):
        (mail,) = board.has("email")
        mail.outcomes.append(BROKEN)
        desk.tell_customer(incident, "tried")
        board.beat()
        desk.tell_customer(incident, "fixed")
        board.beat()
        assert mail.sent == []
        board.beat(later=10)
        assert told(mail) == ["tried", "fixed"]

    def test_what_is_over_before_it_was_said_is_not_said(self, board, incident):
        (mail,) = board.has("email")
        desk.tell_customer(incident, "tried")
        assert desk.tell_customer(incident, "fixed") == []
        board.beat()
        assert mail.tried == []
        assert Notice.objects.get().state == Notice.CANCELLED

    def test_without_a_customer_nobody_is_told(self, board):
        assert desk.tell_customer(Incident(), "tried") == []


class TestPolicy:
    def test_what_is_held_waits_for_a_person(self, board, incident, settings):
        settings.NOTICES["tried"] = "hold"
        (mail,) = board.has("email")
        (draft,) = desk.tell_customer(incident, "tried")
        board.beat()
        assert (draft.state, mail.tried) == (Notice.HELD, [])
        assert desk.approve([draft.id], "ann") == 1
        assert desk.approve([draft.id], "bob") == 0
        board.beat()
        draft.refresh_from_db()
        assert (draft.state, draft.decided_by) == (Notice.SENT, "ann")

    def test_a_draft_that_is_withdrawn_is_kept_and_never_sent(self, board, incident, settings):
        settings.NOTICES["tried"] = "hold"
        (mail,) = board.has("email")
        (draft,) = desk.tell_customer(incident, "tried")
        assert desk.withdraw([draft.id], "ann") == 1
        assert desk.approve([draft.id], "bob") == 0
        board.beat()
        assert mail.tried == []

    def test_never_is_never(self, board, incident, settings):
        settings.NOTICES["opened"] = "never"
        assert desk.tell_customer(incident, "opened") == []
        assert not Notice.objects.exists()

    def test_a_policy_that_is_none_is_said(self, board, incident, settings):
        settings.NOTICES["tried"] = "sent"
        with pytest.raises(desk.ImproperlyConfigured, match="HERDSITE_NOTICES: tried must be never, hold or send"):
            desk.tell_customer(incident, "tried")


class TestDelivery:
    def test_a_refusal_is_final_and_on_record(self, board, incident):
        (mail,) = board.has("email")
        mail.outcomes.append(REFUSES)
        desk.tell_customer(incident, "tried")
        for _ in range(3):
            board.beat(later=100)
        assert len(mail.tried) == 1
        notice = Notice.objects.get()
        assert (notice.state, notice.answer) == (Notice.FAILED, "400 no")
        assert board.failed == []  # one address that is wrong is not a channel that fails

    def test_a_channel_that_is_not_configured_is_a_failure_that_says_so(self, board, incident):
        desk.tell_customer(incident, "tried")
        board.beat()
        notice = Notice.objects.get()
        assert (notice.state, notice.answer) == (Notice.FAILED, "not configured: set HERDSITE_EMAIL_URL")

    def test_people_on_call_come_before_customers(self, board, incident):
        mail, log = board.has("email", "log")
        desk.tell_customer(incident, "tried")
        desk.page(incident, {}, "")
        board.beat(n=1)
        assert (len(log.sent), len(mail.sent)) == (1, 0)

    def test_a_customer_with_a_hook_hears_by_it_too_under_a_secret_of_its_own(self, board, incident):
        Hook.objects.create(customer=incident.customer, url="https://acme.example/in/token", secret="theirs")
        mail, hook = desk.tell_customer(incident, "tried")
        assert (mail.channel, hook.channel, hook.recipient) == ("email", "webhook", "acme.example")
        assert channels.notifier_for(hook)._secret == "theirs"

    def test_a_lost_lease_is_sent_again_under_the_same_id(self, board, incident):
        (mail,) = board.has("email")
        desk.tell_customer(incident, "tried")
        lost = outbox.claim(board.now)
        board.beat(later=outbox.LEASE_S - 5)
        assert mail.tried == []
        board.beat(later=10)
        assert [message.id for message in mail.sent] == [str(lost.pk)]
        assert outbox.finish(lost, BROKEN, board.now) is False
        assert Notice.objects.get().state == Notice.SENT

    def test_what_never_gets_through_ends_as_failed(self, board, incident):
        (mail,) = board.has("email")
        mail.outcomes.extend([BROKEN, BROKEN])
        desk.tell_customer(incident, "tried")
        board.beat()
        board.beat(later=4 * 86_400)
        assert Notice.objects.get().state == Notice.FAILED
