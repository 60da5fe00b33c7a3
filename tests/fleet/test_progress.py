"""How far something is: what a look says of it becomes figures and words, and what is not known stays so."""

import pytest

from fleet import progress, under_way
from fleet.models import Instance
from fleet.progress import Progress, duration, read, words
from tests import factories

MB = 2**20


def felt(**facts: object) -> dict[str, str | None]:
    return {f"taken_{name}": str(value) for name, value in facts.items()}


def test_nothing_is_under_way_where_nothing_was_said():
    assert read({}) is None
    assert read({"taken_what": None, "taken_bytes": "7"}) is None


def test_size_rate_and_time_left():
    far = read(felt(what="copying", bytes=10 * MB, of=40 * MB, s=5))
    assert far == Progress("copying", 10 * MB, 40 * MB, 2 * MB, 15.0, 5.0)
    assert far.share == 0.25
    assert words(far) == "copying 10.0 MB of 40.0 MB, 2.0 MB/s, 15 s left"


@pytest.mark.parametrize(
    ("facts", "foreseen", "says"),
    [
        ({"bytes": MB, "s": 2}, None, "copying 1.0 MB of an unknown total, 512.0 KB/s"),
        ({"bytes": MB, "s": 2}, 2 * MB, "copying 1.0 MB of 2.0 MB, 512.0 KB/s, 2 s left"),
        # What was foreseen was too little: nobody knows how much more there is.
        ({"bytes": 3 * MB, "s": 2}, 2 * MB, "copying 3.0 MB of an unknown total, 1.5 MB/s"),
        # The job's own word counts more than a guess.
        ({"bytes": MB, "of": 4 * MB, "s": 2}, 2 * MB, "copying 1.0 MB of 4.0 MB, 512.0 KB/s, 6 s left"),
        ({"bytes": MB, "s": 0}, None, "copying 1.0 MB of an unknown total"),
        ({"bytes": 0, "of": MB, "s": 3}, None, "copying 0 bytes of 1.0 MB"),
        ({"s": 3}, None, "copying, for 3 s"),
        ({"of": MB, "s": 0}, None, "copying 1.0 MB, for 0 s"),
    ],
)
def test_what_is_not_known_is_not_made_up(facts, foreseen, says):
    far = read(felt(what="copying", **facts), foreseen)
    assert words(far) == says
    assert far.told()["text"] == says


def test_replay_tells_its_position():
    far = read(felt(what="replaying", s=200, at="000000010000000000000007"))
    assert words(far) == "replaying 000000010000000000000007, for 3 min"
    assert far.share is None


@pytest.mark.parametrize(
    ("seconds", "says"), [(0.4, "0 s"), (119, "119 s"), (121, "2 min"), (7199, "2 h 0 min"), (18_660, "5 h 11 min")]
)
def test_durations(seconds: float, says: str):
    assert duration(seconds) == says


@pytest.mark.django_db
def test_a_resource_tells_of_all_that_is_made_for_it():
    copying = {"job": "running"} | felt(what="copying", bytes=MB, of=2 * MB, s=1)
    shop = factories.resource(name="shop", instance=factories.instance(name="shop-1"))
    factories.instance(name="shop-2", role=Instance.STANDBY, standby_for=shop, state="creating", facts=copying)
    target = factories.instance(name="shop-3", state="creating", facts=copying)
    moving = factories.changeover(name="shop-move", resource=shop, target=target, state="preparing")
    factories.backup(
        name="shop-dump-1", resource=shop, method="logical", state="uploading", facts=felt(what="dumping", s=4)
    )
    factories.backup(name="shop-dump-2", resource=shop, method="logical", state="kept", facts=felt(what="dumping", s=4))
    factories.backup(name="base-1", timeline=shop.instance.timeline, state="uploading", facts=felt(what="copying", s=1))
    assert [str(work) for work in under_way.of(shop)] == [
        "shop-2: copying 1.0 MB of 2.0 MB, 1.0 MB/s, 1 s left",
        "shop-3: copying 1.0 MB of 2.0 MB, 1.0 MB/s, 1 s left",
        "base-1: copying, for 1 s",
        "shop-dump-1: dumping, for 4 s",
    ]
    assert [work.name for work in under_way.of(moving)] == ["shop-3"]
    assert [work.name for work in under_way.of(shop.instance.timeline)] == ["base-1"]
    assert under_way.of(shop.customer.resources.get().instance.server) == []


@pytest.mark.django_db
@pytest.mark.parametrize(("state", "job"), [("available", "running"), ("creating", "done"), ("creating", "failed")])
def test_what_has_ended_is_not_under_way(state: str, job: str):
    facts = {"job": job} | felt(what="copying", bytes=MB, s=1)
    assert under_way.of(factories.instance(state=state, facts=facts)) == []


def test_the_words_for_sizes():
    assert progress.human(1536) == "1.5 KB"
