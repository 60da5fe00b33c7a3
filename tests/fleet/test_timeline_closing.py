"""When a timeline is closed, and that the moment stays known."""

import pytest

from fleet.models import Instance, Timeline
from fleet.states import CLOSED, DESTROYED, EXPIRED, KEPT, OPEN
from herdsite.turns import Turn
from tests import factories
from tests.fakeherd import FakeHerd
from tests.herd import again, change, due

pytestmark = pytest.mark.django_db


@pytest.fixture
def line() -> Timeline:
    """One whose leader writes it."""
    leader = factories.instance(name="shop-1")
    change(leader.timeline, writer=str(leader.pk))
    return again(leader.timeline)


def beat(line: Timeline) -> Timeline:
    due(again(line))
    Turn(again(line).queue, FakeHerd().ports, "here/1", ("timeline",)).once("timeline")
    return again(line)


def moved(line: Timeline) -> Timeline:
    """After a changeover, or a restore in place: whoever wrote it is on another now, as somebody's standby."""
    leader = line.instances.get()
    after = factories.instance(name="shop-2", timeline=factories.timeline(parent=line))
    change(leader, timeline=after.timeline, role=Instance.STANDBY, upstream=after, outdated=True)
    return after.timeline


def test_what_is_written_stays_open(line: Timeline) -> None:
    # A follower that became a leader of its own has a timeline that parted from this one.
    factories.timeline(name="parted", parent=line)
    line = beat(line)
    assert (line.state, line.closed_at) == (OPEN, None)


def test_what_another_timeline_took_over_from_is_closed_at_that_moment(line: Timeline) -> None:
    after = moved(line)
    line = beat(line)
    assert line.state == CLOSED
    assert line.closed_at == line.state_since
    assert again(after).closed_at is None


def test_the_moment_outlives_the_archive(line: Timeline) -> None:
    # What came after has a base backup of its own, and needs no more of this one.
    factories.backup(timeline=moved(line), state=KEPT)
    closed_at = beat(line).closed_at
    change(line, keep_until=closed_at)
    line = beat(line)
    assert line.state == EXPIRED
    assert line.closed_at == closed_at < line.state_since


def test_what_a_destroyed_instance_wrote_is_closed(line: Timeline) -> None:
    change(line.instances.get(), state=DESTROYED)
    assert beat(line).closed_at is not None
