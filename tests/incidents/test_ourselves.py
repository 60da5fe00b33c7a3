"""herdsite's own failings: workers that are dead and eyes that see nothing are one incident and one page each, and end
when all is well again."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from fleet import certificates
from fleet.models import Authority, Instance, Resource, Server, Worker
from fleet.policy import AUTHORITY_WARNED_DAYS
from herdsite import clock
from incidents import desk, ourselves
from incidents.models import Incident, Notice, Page
from incidents.telling import Silent
from tests import factories
from tests.incidents.scenes import Scene, raise_alarm

pytestmark = pytest.mark.django_db
MODELS = (Server, Instance, Resource)


@pytest.fixture(autouse=True)
def channels(settings) -> None:
    settings.PAGING = ["log"]


@pytest.fixture
def herd() -> Resource:
    resource = factories.resource()
    well()
    return resource


def well() -> None:
    """Workers tell of themselves, everything was seen well just now, and nothing is due."""
    now = timezone.now()
    for queue in ("feel", "suspect", "work", "slow"):
        Worker.objects.update_or_create(
            name=f"here/{queue}", defaults={"queue": queue, "started_at": now, "seen_at": now}
        )
    for model in MODELS:
        model.objects.update(
            due_at=Now() + timedelta(seconds=15), felt_at=Now(), seen_at=Now(), state="available", state_since=Now()
        )


def late(seconds: float) -> None:
    Instance.objects.update(due_at=Now() - timedelta(seconds=seconds))


def silent(*queues: str) -> None:
    Worker.objects.filter(queue__in=queues).update(seen_at=timezone.now() - timedelta(seconds=ourselves.SILENT_S + 1))


def blinded(seconds: float) -> None:
    """For so long everything has been looked at, and nothing was seen."""
    for model in MODELS:
        past = Now() - timedelta(seconds=seconds)
        model.objects.update(state="uncertain", state_since=past, seen_at=past, felt_at=Now())


def looks(n: int, watch: ourselves.Watch | None = None) -> ourselves.Watch:
    watch = watch or ourselves.Watch()
    for _look in range(n):
        clock.look_at_ourselves(watch)
    return watch


def open_now() -> list[str]:
    return list(desk.open_incidents().order_by("created_at").values_list("type", flat=True))


def test_a_herd_that_is_well_looked_after_has_nothing_to_report(herd) -> None:
    looks(ourselves.IN_A_ROW + 1)
    assert open_now() == []


def starving(seconds: float) -> None:
    """Every worker gets the processor so late."""
    Worker.objects.update(late_s=seconds)


def test_a_starved_control_plane_is_one_incident_and_one_page_however_late_its_beats_are(herd) -> None:
    starving(0.9)
    late(61)
    watch = looks(ourselves.IN_A_ROW + 5)
    assert open_now() == ["starved"] and Page.objects.count() == 1
    # It may take a breath: its incident is open, and what is late is late by that.
    starving(0.3)
    looks(ourselves.IN_A_ROW + 1, watch)
    assert open_now() == ["starved"]
    # What stays late when the workers run on time has another cause.
    starving(0.0)
    assert Scene().beat(Incident.objects.get()).state == "resolved"
    looks(ourselves.IN_A_ROW * 3, watch)
    assert open_now() == ["ring_stalled"]


def test_a_starved_control_plane_still_misses_the_queue_whose_workers_are_dead(herd) -> None:
    starving(0.9)
    late(ourselves.WAITED_S + 1)
    silent("feel")
    looks(ourselves.IN_A_ROW)
    assert set(open_now()) == {"starved", "ring_stalled"}


def test_dead_workers_are_one_incident_and_one_page_which_the_clock_sends_itself(herd) -> None:
    late(61)
    silent("feel", "suspect", "work", "slow")
    looks(ourselves.IN_A_ROW + 5)
    incident = Incident.objects.get()
    assert (incident.name, incident.state, incident.subject_kind) == (
        "ring-stalled-herdsite-1",
        "needs_human",
        "herdsite",
    )
    assert incident.evidence["facts"] == {"queues": "feel", "late": 1, "silent": "feel"}
    page = Page.objects.get()
    assert page.incident == incident.pk and "Look first" in page.runbook
    assert list(Notice.objects.values_list("purpose", "state")) == [("page", "sent")]


def test_it_ends_when_they_are_back_and_not_before(herd) -> None:
    late(61)
    silent("feel", "work", "slow")
    watch = looks(ourselves.IN_A_ROW)
    incident, scene = Incident.objects.get(), Scene()
    silent()
    late(40)
    assert scene.beat(incident).state == "needs_human"
    well()
    assert scene.beat(incident).state == "resolved"
    assert scene.telling.told[-2:] == [("ended", incident.name, ""), ("customer", incident.name, "fixed")]
    looks(ourselves.IN_A_ROW + 1, watch)
    assert open_now() == []


def test_one_late_look_or_a_start_after_a_night_is_no_incident(herd) -> None:
    late(36_000)
    Worker.objects.all().delete()
    watch = looks(ourselves.IN_A_ROW - 1)
    well()
    looks(1, watch)
    late(36_000)
    looks(ourselves.IN_A_ROW - 1, watch)
    assert open_now() == []


@pytest.mark.parametrize("queue", ["feel", "suspect", "work"])
def test_a_queue_without_a_worker_is_reported_only_while_something_is_due_there(herd, queue: str) -> None:
    silent(queue)
    assert ourselves.stalled() == {}
    Server.objects.update(queue=queue, due_at=Now() - timedelta(seconds=ourselves.WAITED_S + 1))
    assert ourselves.stalled() == {"queues": queue, "late": 0, "silent": queue}


def test_a_worker_that_has_something_in_hand_is_not_dead_however_long_that_takes(herd) -> None:
    late(ourselves.WAITED_S + 1)
    silent("feel")
    assert ourselves.stalled()["silent"] == "feel"
    Server.objects.update(leased_until=Now() + timedelta(seconds=20))
    assert ourselves.stalled() == {}
    Server.objects.update(leased_until=Now() - timedelta(seconds=1))
    assert ourselves.stalled()["silent"] == "feel"


def test_nor_is_one_that_sends_a_message_or_beats_an_incident(herd) -> None:
    raise_alarm(herd.instance, "instance_down")
    Incident.objects.update(queue="work", due_at=Now() - timedelta(seconds=ourselves.WAITED_S + 1))
    notice = Notice(key="k", thread="t", purpose="page", channel="log", subject="s", body="b")
    notice.save(force_insert=True)
    Notice.objects.update(next_at=Now() - timedelta(seconds=ourselves.WAITED_S + 1))
    silent("work", "slow")
    assert ourselves.stalled()["silent"] == "slow, work"
    for model in (Incident, Notice):
        model.objects.update(leased_until=Now() + timedelta(seconds=20))
    assert ourselves.stalled() == {}


def test_beats_that_are_late_although_workers_live_are_reported(herd) -> None:
    late(59)
    assert ourselves.stalled() == {}
    late(61)
    assert ourselves.stalled() == {"queues": "feel", "late": 1, "silent": ""}


def test_incidents_that_nobody_beats_are_noticed(herd) -> None:
    raise_alarm(herd.instance, "instance_down")
    Incident.objects.update(due_at=Now() - timedelta(seconds=ourselves.WAITED_S + 1))
    silent("work")
    assert ourselves.stalled()["silent"] == "work"


def test_messages_of_which_nobody_takes_care_are_sent_by_the_clock(herd) -> None:
    late(61)
    silent("feel")
    looks(ourselves.IN_A_ROW)
    assert Notice.objects.get().state == "queued"
    silent("slow")
    looks(1)
    assert Notice.objects.get().state == "sent"


def test_eyes_that_see_nothing_are_one_incident_and_one_page(herd) -> None:
    blinded(61)
    looks(ourselves.IN_A_ROW + 2)
    incident = Incident.objects.get()
    assert (incident.type, incident.state) == ("portal_blind", "needs_human")
    assert incident.evidence["facts"] == {"in doubt": 3, "seen well": 0}
    assert Page.objects.count() == 1


def test_one_thing_that_is_seen_well_shows_that_we_are_not_blind(herd) -> None:
    blinded(61)
    Server.objects.update(seen_at=Now())
    assert ourselves.blind() == {}


def test_what_is_known_to_be_down_says_nothing_about_our_eyes(herd) -> None:
    blinded(61)
    for model in MODELS:
        model.objects.update(state="down")
    assert ourselves.blind() == {}


def test_a_minute_must_have_passed(herd) -> None:
    blinded(58)
    assert ourselves.blind() == {}


def test_while_we_are_blind_what_we_see_of_the_herd_hangs_under_that_and_calls_nobody(herd) -> None:
    for _n in range(3):
        factories.server()
    blinded(700)
    looks(ourselves.IN_A_ROW)
    scene = Scene()
    stuck = [raise_alarm(server, "stuck") for server in Server.objects.all()]
    assert {scene.beat(incident, 2).state for incident in stuck} == {"waiting"}
    assert open_now().count("storm") == 0 and scene.pages == []
    blind = Incident.objects.get(type="portal_blind")
    assert {one.cause_id for one in Incident.objects.filter(type="stuck")} == {blind.pk}


def test_a_person_may_end_it_by_hand(herd) -> None:
    late(61)
    looks(ourselves.IN_A_ROW)
    desk.resolve(Incident.objects.get(), "ada", "it is a drill", Silent())
    assert open_now() == []


def test_a_bug_in_looking_keeps_no_turn_waiting(herd, monkeypatch) -> None:
    monkeypatch.setattr(ourselves, "nobody_sends", lambda: 1 / 0)
    looks(1)


def authority_ends_in(days: float) -> None:
    certificates.make(Authority.CURRENT)
    Authority.objects.update(ends_at=Now() + timedelta(days=days))


def test_a_ca_that_ends_soon_is_told_in_time_and_wakes_nobody(herd) -> None:
    authority_ends_in(AUTHORITY_WARNED_DAYS - 1)
    watch = looks(ourselves.IN_A_ROW + 2)
    incident = Incident.objects.get()
    assert (incident.type, incident.severity, incident.state) == ("authority_ends", "warn", "needs_human")
    Authority.objects.update(state=Authority.FORMER)
    authority_ends_in(3650)
    looks(2, watch)
    assert not ourselves.goes_on(incident)


def test_a_ca_that_lasts_is_no_news(herd) -> None:
    authority_ends_in(AUTHORITY_WARNED_DAYS + 1)
    looks(ourselves.IN_A_ROW + 2)
    assert not Incident.objects.exists()
