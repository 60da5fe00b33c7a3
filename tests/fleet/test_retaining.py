"""What of an archive is still needed, what it has lost, and when a database is due for a drill. Plain functions."""

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from fleet import drills, policy, retaining
from fleet.archives import holes
from fleet.archives.base import Kept
from fleet.models import Backup, Instance, Plan, Timeline
from tests import factories

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def segment(number: int) -> str:
    return f"{1:08X}{number:016X}"


def kept(first: int) -> Kept:
    return Kept(f"b{first}", 0.0, 1.0, segment(first), segment(first), 1)


@pytest.fixture
def timeline(db: None) -> Timeline:
    return factories.instance(plan=Plan.objects.get(name="standard-0")).timeline


def backups(timeline: Timeline, *days: float) -> list[Backup]:
    timeline.plan = Plan.objects.get(name="standard-0")
    timeline.save()
    return [
        Backup.objects.create(name=f"b{n}", state="kept", timeline=timeline, ended_at=NOW - DAY * ago)
        for n, ago in enumerate(days)
    ]


def test_only_what_a_later_one_makes_needless_expires(timeline: Timeline) -> None:
    made = backups(timeline, 7, 6, 5, 3, 1)
    assert retaining.expirable(timeline, NOW) == made[:2], "four days are promised: the one of day 5 reaches back there"


def test_the_only_one_never_expires(timeline: Timeline) -> None:
    backups(timeline, 30)
    assert retaining.expirable(timeline, NOW) == []


def test_what_a_copy_is_being_built_from_stays(timeline: Timeline) -> None:
    made = backups(timeline, 7, 6, 5, 1)
    copy = factories.instance(state="creating")
    Instance.objects.filter(pk=copy.pk).update(attrs={"from_backup": str(made[0].pk)})
    assert retaining.expirable(timeline, NOW) == made[1:2]


def test_a_closed_timeline_stays_for_its_retention_and_for_who_has_no_base_backup_yet(timeline: Timeline) -> None:
    timeline.plan, timeline.state_since = Plan.objects.get(name="standard-0"), NOW - DAY
    assert retaining.needed(timeline, NOW, has_children=False)
    timeline.state_since = NOW - 5 * DAY
    assert not retaining.needed(timeline, NOW, has_children=False)
    assert retaining.needed(timeline, NOW, has_children=True)


def test_a_base_backup_behind_a_hole_heals_it() -> None:
    found = holes.holes({"archive_missing": f"{segment(4)}-{segment(5)}", "archive_missing_since": "1000.5"})
    assert [hole.since for hole in found] == [datetime.fromtimestamp(1000.5, UTC)]
    assert holes.unhealed(found, []) == found
    assert holes.unhealed(found, [kept(2)]) == found
    assert holes.unhealed(found, [kept(2), kept(6)]) == []


def test_what_lies_behind_a_hole_is_reached_only_from_behind_it() -> None:
    since = NOW - DAY
    hole = holes.Hole(f"{segment(4)}-{segment(5)}", segment(5), since)
    assert holes.crossed([hole], segment(2), NOW) == hole
    assert holes.crossed([hole], segment(2), None) == hole
    assert holes.crossed([hole], segment(2), since) == hole, "the minute before it may lie in it"
    assert holes.crossed([hole], segment(2), since - timedelta(minutes=2)) is None
    assert holes.crossed([hole], segment(6), NOW) is None


def test_without_its_history_nothing_of_a_timeline_can_be_read() -> None:
    (hole,) = holes.holes({"archive_missing": "00000003.history", "archive_missing_since": ","})
    assert holes.crossed([hole], segment(900), NOW) == hole
    assert holes.unhealed([hole], [kept(900)]) == [hole]


def test_holes_are_told_and_understood() -> None:
    found = [
        holes.Hole("00000003.history", "", None),
        holes.Hole(f"{segment(4)}-{segment(5)}", segment(5), datetime.fromtimestamp(1000, UTC)),
    ]
    assert holes.known(holes.told(found)) == found
    assert holes.known(None) == []


def test_everything_is_drilled_within_a_week_and_by_night_where_there_is_the_choice() -> None:
    born = NOW - timedelta(seconds=policy.DRILL_EVERY_S + 1)
    assert drills.is_due({}, born, NOW, 0.0)
    assert not drills.is_due({"at": (NOW - DAY).isoformat(), "good": True}, born, NOW, 0.0)
    night, noon = NOW.replace(hour=policy.DRILL_HOURS[0]), NOW
    half = {"at": (NOW - 5 * DAY).isoformat(), "good": True}
    assert drills.is_due(half, born, night, 0.5)
    assert not drills.is_due(half, born, noon, 0.5)


def test_a_herd_born_on_one_day_is_spread_over_the_nights() -> None:
    night = NOW.replace(hour=policy.DRILL_HOURS[0])
    born = night - 4 * DAY
    due = [drills.is_due({}, born, night, draw / 100) for draw in range(100)]
    assert 0 < due.count(True) < 100


def test_a_failed_drill_is_tried_again_on_the_same_day() -> None:
    failed = {"at": (NOW - timedelta(seconds=policy.DRILL_AGAIN_S + 1)).isoformat(), "good": False}
    assert drills.is_due(failed, NOW - DAY, NOW, 1.0)


def test_rows_may_differ_by_what_was_written_since_and_by_no_more() -> None:
    recorded = {"t": [1, 100, 50]}
    assert drills.wrong(recorded, {"t": [1, 0, 50]}, {"t": [1, 100, 0]}) == ""
    assert drills.wrong(recorded, {"t": [1, 0, 57]}, {"t": [1, 107, 0]}) == ""
    assert "t has 49 rows" in drills.wrong(recorded, {"t": [1, 0, 49]}, {"t": [1, 100, 0]})
    assert drills.wrong(recorded, {}, {"t": [1, 100, 0]}) == "t is not there"


def test_what_was_dropped_emptied_or_rewritten_since_is_not_compared() -> None:
    recorded = {"t": [1, 100, 50], "u": [2, 0, 1], "v": [3, 9, 9]}
    now = {"u": [7, 0, 0], "v": [3, 0, 0]}
    assert drills.wrong(recorded, {}, now) == ""
    assert drills.compared(recorded, now) == 1


def test_what_a_drill_printed_is_read() -> None:
    said = drills.said('restored_s=9\nnewest=1000.5\nrows=["public.t", 16384, 0, 60]\nbytes=42\n')
    assert (said.restored_s, said.bytes, said.rows) == (9.0, 42, {"public.t": [16384, 0, 60]})
    assert said.newest == datetime.fromtimestamp(1000.5, UTC)
    assert drills.said("restored_s=1\nnewest=\nbytes=1\n").newest is None


def test_a_drill_under_way_is_known_by_its_timeline() -> None:
    assert drills.under_way({}) == {}
    plan = {"job": "j", "server": str(uuid4()), "backup": str(uuid4())}
    assert drills.under_way({"drill": json.dumps(plan)}) == plan
