"""A hole in the archive of a closed timeline: how far that has to reach, who fills it, what is told of what is lost."""

from datetime import UTC, datetime, timedelta

import pytest

from fleet import archiving, copies
from fleet.archives import holes
from fleet.models import Backup, Intent, Resource, Timeline
from fleet.postgres import control
from fleet.states import CLOSED, KEPT
from incidents.outcomes import AGAIN, FIXED, GIVE_UP, Case
from incidents.resolvers import fill_archive as playbook
from tests import factories
from tests.herd import again, change
from tests.incidents.scenes import Scene, case

pytestmark = pytest.mark.django_db
NOW = datetime.now(UTC).replace(microsecond=0)


def name(number: int) -> str:
    return f"{1:08X}{number:016X}"


@pytest.fixture
def shop(settings) -> Resource:
    """It was handed over at 0/8000100: the first timeline has to have all up to segment 7, and lacks 5 to 6."""
    settings.ARCHIVE = "directory"
    old = factories.instance(name="shop-1", role="standby")
    shop = factories.resource(name="shop", instance=factories.instance(name="shop-2"))
    line, heir = old.timeline, shop.instance.timeline
    change(line, resource=shop, archive="directory", place="first", writer=str(old.pk), state=CLOSED,
           attrs={"prepared": "true"}, created_at=NOW - timedelta(days=2))  # fmt: skip
    change(heir, resource=shop, archive="directory", place="second", writer=str(shop.instance.pk), parent=line,
           timeline_id=2, forked_lsn="0/8000100", attrs={"prepared": "true"}, forked_at=NOW - timedelta(hours=2),
           created_at=NOW - timedelta(hours=2))  # fmt: skip
    change(old, timeline=heir, upstream=shop.instance, standby_for=shop)
    hole = holes.Hole(f"{name(5)}-{name(6)}", name(6), NOW - timedelta(hours=3))
    facts = {"archive_holes": holes.told([hole]), "archive_missing": hole.name}
    Timeline.objects.filter(pk=line.pk).update(facts=facts)
    backup(line, "first", 1, NOW - timedelta(days=1))
    return again(shop)


def backup(line: Timeline, label: str, first: int, ended: datetime) -> Backup:
    wal = f"{again(line).timeline_id:08X}{first:016X}"
    return Backup.objects.create(
        name=f"shop-{label}", label=label, state=KEPT, timeline=line, ended_at=ended, first_wal=wal, last_wal=wal
    )


def line_of(shop: Resource) -> Timeline:
    return Timeline.objects.get(place="first", resource=shop)


def about(shop: Resource, step_s: float = 0.0) -> Case:
    return case(Scene(), line_of(shop), "archive_hole", step_s)


def test_a_closed_line_has_to_have_all_before_the_segment_in_which_its_successor_began(shop):
    assert archiving.handed_over(line_of(shop)) == (name(7), [shop.instance.timeline])
    fork = factories.timeline(parent=line_of(shop), forked_lsn="0/2000000", name="a-fork")
    assert archiving.handed_over(line_of(shop))[0] == name(7)
    assert archiving.handed_over(fork) == ("", [])


def test_each_member_is_asked_for_what_it_has_until_nobody_has_more(shop, monkeypatch):
    asked: list[tuple[str, list[str]]] = []
    had = {"shop-2": [[name(6)], []], "shop-1": [[], []]}
    monkeypatch.setattr(Case, "ordered", lambda _case, subject: (None, subject))

    def fill(_shell, subject, push, beside, segments, timeout):
        asked.append((subject.name, list(segments)))
        return had[subject.name].pop(0)

    monkeypatch.setattr(control, "fill_archive", fill)
    assert playbook.fill(about(shop)).kind == AGAIN
    assert asked == [("shop-2", [name(5), name(6)]), ("shop-1", [name(5)])]
    done = playbook.fill(about(shop))
    assert done.kind == FIXED and "is lost" in done.note
    Timeline.objects.update(facts={"archive_missing": "", "archive_holes": ""})
    assert playbook.fill(about(shop)).note == "nothing is missing any more"


def test_what_nobody_has_is_told_once_there_is_a_base_backup_behind_it(shop):
    assert playbook.renew(about(shop)).kind == AGAIN
    assert Intent.objects.get(subject=shop.instance.timeline.pk).verb == "backup"
    backup(shop.instance.timeline, "second", 8, NOW - timedelta(hours=1))
    told = playbook.renew(about(shop))
    assert told.kind == GIVE_UP and f"misses {name(5)}-{name(6)}: no moment from" in told.note
    assert line_of(shop).attrs["hole_told"] == f"{name(5)}-{name(6)}"


def test_what_can_be_gone_back_to_does_not_reach_across_a_hole(shop):
    assert copies.window(shop)[0] is None
    behind = backup(shop.instance.timeline, "second", 8, NOW - timedelta(hours=1))
    assert copies.window(shop)[0] == behind.ended_at
    # Before the hole every moment can be asked for, and in it none.
    assert copies.origin(shop, NOW - timedelta(hours=4))["from_backup"]
    for ago in (timedelta(hours=2, minutes=30), timedelta(minutes=90)):
        with pytest.raises(copies.AskError, match="misses"):
            copies.origin(shop, NOW - ago)
