"""Replaying what was felt: the tables that made a story find nothing to say about it, and a row that was changed is
shown at the look at which it would have made a difference."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F

from fleet import intents
from fleet.conditions import no, under
from fleet.models import MEMBERS, Credential, Event, Instance, Resource
from fleet.postgres.config import MONITOR
from fleet.rules import WAIT, go
from fleet.subject import KINDS
from fleet.think import LIFE
from herdsite.management.commands.replay import ago
from herdsite.turns import Turn
from incidents import watch
from incidents.models import Incident
from observations import retention
from observations.models import Observation
from tests import factories
from tests.fakeherd import FakeHerd
from tests.herd import change, expire

pytestmark = pytest.mark.django_db
PLACES = ("here/1", "there/1")


class Story:
    """A database whose life is recorded, beat by beat, as it happens in a herd without a wire."""

    def __init__(self) -> None:
        self.herd = FakeHerd()
        server = self.herd.machine(attrs={"boot_id": "boot-0"})
        self.instance = factories.instance(server=server, attrs={"boot_id": "boot-0"}, name="serene-elephant-42")
        Credential.objects.create(purpose=Credential.MONITOR, instance=self.instance, role=MONITOR, secret="watching")
        self.resource = factories.resource(instance=self.instance)
        self.cluster = self.herd.run(self.instance)

    def beats(self, rounds: int = 1) -> None:
        for n in range(rounds):
            for queue in ("feel", "suspect"):
                expire()
                for kind in KINDS:
                    Turn(queue, self.herd.ports, PLACES[n % 2]).once(kind, 10)
            self.herd.pass_time()

    def dies_and_is_restarted(self) -> None:
        self.beats(2)
        self.cluster.runs = False
        self.beats(4)
        intents.ask(self.instance, "start", actor="ada", reason="it died")
        self.beats(8)
        assert {one.state for one in (Instance.objects.get(), Resource.objects.get())} == {"available"}


@pytest.fixture
def story() -> Story:
    return Story()


def replayed(*args: str) -> list[str]:
    out = StringIO()
    call_command("replay", *args, stdout=out)
    return out.getvalue().splitlines()


def things() -> int:
    """How many there are on the rings."""
    return sum(model.objects.count() for model in MEMBERS.values())


def without_time(line: str) -> str:
    return line.split(" ", 2)[2]


def patched(monkeypatch: Any, kind: str, row: int, **fields: Any) -> None:
    table = tuple(replace(rule, **fields) if rule.row == row else rule for rule in LIFE[kind])
    monkeypatch.setitem(LIFE, kind, table)


def alarm(monkeypatch: Any, type_: str, **fields: Any) -> None:
    rows = {
        kind: tuple(replace(one, **fields) if one.type == type_ else one for one in alarms)
        for kind, alarms in watch.BY_KIND.items()
    }
    monkeypatch.setattr(watch, "BY_KIND", rows)


@pytest.mark.thorough
def test_the_tables_that_made_a_story_find_nothing_to_say_about_it(story: Story) -> None:
    story.dies_and_is_restarted()
    told = {event.row for event in Event.objects.filter(subject=story.instance.pk, row__isnull=False)}
    assert told >= {301, 313, 137, 311}
    looks = Observation.objects.count()
    assert looks > 30
    assert replayed("--fail-on-difference") == [f"0 differences in {looks} looks at {things()} things; 0 untold"]


def test_a_row_that_was_changed_is_shown_where_it_makes_a_difference(story: Story, monkeypatch) -> None:
    story.dies_and_is_restarted()
    patched(monkeypatch, "instance", 313, then=WAIT)
    lines = replayed("--name", story.instance.name)
    assert without_time(lines[0]) == "instance serene-elephant-42 in uncertain: 313 go_down → nothing"
    assert "instance serene-elephant-42 in uncertain: opens instance_down → nothing" in map(without_time, lines[:-1])
    assert lines[-1].startswith(f"{len(lines) - 1} differences in ")
    with pytest.raises(SystemExit) as ended:
        replayed("--fail-on-difference")
    assert ended.value.code == 1


def test_a_row_that_would_act_where_nothing_was_done_is_shown(story: Story, monkeypatch) -> None:
    story.beats(2)
    patched(monkeypatch, "resource", 901, when=no("in_recovery"), then=go("doubt"), state="available")
    lines = replayed()
    assert without_time(lines[0]) == f"resource {story.resource.name} in available: nothing → 901 doubt"


def test_an_alarm_that_opens_later_is_shown_at_both_looks(story: Story, monkeypatch) -> None:
    story.dies_and_is_restarted()
    alarm(monkeypatch, "instance_down", open=2)
    lines = [without_time(line) for line in replayed()[:-1]]
    name = "instance serene-elephant-42 in down"
    assert lines == [f"{name}: opens instance_down → nothing", f"{name}: nothing → opens instance_down"]


def test_an_incident_that_was_open_before_the_window_does_not_open_in_it(story: Story) -> None:
    story.beats(2)
    story.cluster.runs = False
    story.beats(4)
    assert Incident.objects.filter(type="instance_down").exists()
    past = timedelta(hours=2)
    retention.keep((datetime.now(UTC) - past).date())  # which may have been yesterday
    for model, column in ((Observation, "at"), (Event, "at"), (Incident, "created_at")):
        for row in model.objects.all():
            model.objects.filter(pk=row.pk).update(**{column: getattr(row, column) - past})
    for incident in Incident.objects.all():
        looked_at = datetime.fromisoformat(incident.evidence["looked_at"]) - past
        change(incident, evidence=incident.evidence | {"looked_at": looked_at.isoformat()})
    before = Observation.objects.count()
    for one in (story.instance, story.resource, story.instance.server):
        change(one, state_since=one.created_at - past)
    story.beats(3)
    assert (
        replayed("--since", "1h")[-1]
        == f"0 differences in {Observation.objects.count() - before} looks at {things()} things; 0 untold"
    )


def moved(kind: str, verb: str) -> Event:
    return Event.objects.filter(kind=kind, verb=verb).latest("at")


def test_a_neighbours_move_of_the_same_moment_may_have_been_known_or_not(story: Story) -> None:
    """The instance fell while the resource's look was under way, which did not know that yet; the next one did."""
    story.dies_and_is_restarted()
    fell = moved("resource", "go_down")
    later = Observation.objects.filter(subject=story.resource.pk, at__gt=fell.at).earliest("at")
    Event.objects.filter(pk=fell.pk).update(at=later.at + timedelta(milliseconds=1))
    assert replayed("--name", story.resource.name)[-1].startswith("0 differences")


def test_an_incident_that_is_reported_after_the_next_look_belongs_to_the_look_that_opened_it(story: Story) -> None:
    story.dies_and_is_restarted()
    incident = Incident.objects.get(type="instance_down")
    later = Observation.objects.filter(subject=story.instance.pk, at__gt=incident.created_at).earliest("at")
    Incident.objects.filter(pk=incident.pk).update(created_at=later.at + timedelta(milliseconds=5))
    assert replayed("--name", story.instance.name)[-1].startswith("0 differences")


def test_how_long_it_has_been_so_counts_from_the_writing_and_not_from_the_look(story: Story, monkeypatch) -> None:
    """A look that took ten minutes was followed by its move, and that by a verdict within the next minute."""
    story.dies_and_is_restarted()
    long, doubt = timedelta(minutes=10), moved("instance", "doubt")
    retention.keep((datetime.now(UTC) - long).date())
    for model in (Observation, Event):
        before = model.objects.filter(subject=story.instance.pk, at__lt=doubt.at)
        before.update(at=F("at") - long)
    (verdict,) = (rule for rule in LIFE["instance"] if rule.row == 313)
    patched(monkeypatch, "instance", 313, when=verdict.when & under("state_s", 60))
    assert replayed("--name", story.instance.name)[-1].startswith("0 differences")


def test_what_people_asked_and_an_instance_did_for_its_resource_is_known(story: Story) -> None:
    story.beats()
    intents.ask(story.resource, "restart", actor="ada", reason="it is slow")
    story.beats(6)
    assert Event.objects.filter(subject=story.resource.pk, verb="fulfil").exists()
    assert replayed()[-1].startswith("0 differences")


def test_an_action_that_goes_on_failing_was_told_of_once(story: Story, monkeypatch) -> None:
    story.cluster.runs = False
    story.beats(3)
    story.herd.boots[story.instance.server.name] += 1
    begin = story.herd._sh

    def refuses(ran: Any) -> Any:
        return begin(ran) if len(ran.argv) in (6, 7) else 1 / 0

    story.herd.world.on(lambda ran: ran.argv[:2] == ("sh", "-c"), refuses)
    story.beats(4)
    assert Event.objects.filter(verb="start failed").count() == 1
    assert replayed()[-1].startswith("0 differences")


def test_where_our_own_database_did_not_keep_what_was_known_it_can_not_tell(story: Story, monkeypatch) -> None:
    story.dies_and_is_restarted()
    patched(monkeypatch, "instance", 301, when=no("members_answer") & no("service_available"))
    lines = replayed("--name", story.instance.name)
    assert lines[-1].endswith("; 1 untold") and lines[-1].startswith("0 differences")


def test_long_replays_say_how_far_they_are(story: Story, monkeypatch) -> None:
    story.beats(2)
    monkeypatch.setattr("herdsite.replay.TELL_EVERY", 2)
    err = StringIO()
    call_command("replay", stdout=StringIO(), stderr=err)
    assert err.getvalue().startswith("… 2 looks at 1 things, 0 differences")


@pytest.mark.parametrize(("text", "hours"), [("24h", 24), ("90m", 1.5), ("2d", 48), ("1800s", 0.5)])
def test_a_length_of_time(text: str, hours: float) -> None:
    assert ago(text) == timedelta(hours=hours)


@pytest.mark.parametrize("args", [("--since", "yesterday"), ("--since", "-5h"), ("--name", "nobody")])
def test_what_makes_no_sense_is_refused(args: tuple[str, str]) -> None:
    with pytest.raises(CommandError):
        replayed(*args)
