"""Asking for copies: what is refused, with what words, before anything begins; and what is written down when not."""

from datetime import UTC, datetime, timedelta

import pytest

from fleet import archiving, copies, intents, placement
from fleet.actions import copying
from fleet.archives import holes
from fleet.intents import AskError
from fleet.models import Backup, Changeover, Credential, Instance, Intent, Resource, Timeline
from fleet.states import CREATING, DESTROYED, KEPT
from fleet.verbs.parameters import past
from tests import factories

pytestmark = pytest.mark.django_db
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(autouse=True)
def kept(settings) -> None:
    settings.ARCHIVE = "directory"


def archived(plan: str = "standard-0") -> Resource:
    """One that archives since yesterday, without a base backup."""
    resource = factories.resource(plan=factories.plan(plan))
    Timeline.objects.filter(pk=resource.instance.timeline_id).update(
        archive="directory", resource=resource, writer=str(resource.instance_id), plan=resource.plan,
        created_at=NOW - timedelta(days=1), felt_at=NOW, facts={"archive_last_age_s": "5", "ssh": "true"},
    )  # fmt: skip
    return Resource.objects.get(pk=resource.pk)


def backed_up(resource: Resource, ago: timedelta, first: int = 2) -> Backup:
    wal = f"{1:08X}{0:08X}{first:08X}"
    timeline = resource.instance.timeline
    name = f"{timeline.name}-base-{first}"
    return Backup.objects.create(
        name=name, label=name, state=KEPT, timeline=timeline, ended_at=NOW - ago, first_wal=wal, last_wal=wal
    )


def test_a_shared_database_can_be_neither_followed_nor_forked() -> None:
    tiny = factories.resource(plan=factories.plan("starter-0"))
    for verb in ("follow", "fork"):
        with pytest.raises(AskError, match="shares its instance"):
            intents.ask(tiny, verb, actor="anna")
    assert Intent.objects.count() == 0


def test_without_a_base_backup_there_is_no_fork() -> None:
    with pytest.raises(AskError, match="no base backup yet"):
        copies.fork(archived(), actor="anna")


@pytest.mark.parametrize("ago", [timedelta(hours=3), timedelta(hours=-1)])
def test_a_moment_outside_of_the_window_is_refused_with_the_window(ago: timedelta) -> None:
    shop = archived()
    oldest = backed_up(shop, timedelta(hours=2)).ended_at
    with pytest.raises(AskError) as refused:
        copies.fork(shop, actor="anna", at=NOW - ago)
    assert f"from {oldest:%Y-%m-%d %H:%M:%S} to {NOW - timedelta(seconds=5):%Y-%m-%d %H:%M:%S}" in str(refused.value)


def test_the_newest_base_backup_before_the_moment_is_where_a_copy_begins() -> None:
    shop = archived()
    early, late = backed_up(shop, timedelta(hours=5)), backed_up(shop, timedelta(hours=1), first=9)
    assert copies.origin(shop, NOW - timedelta(hours=3))["from_backup"] == str(early.pk)
    assert copies.origin(shop, NOW - timedelta(minutes=3))["from_backup"] == str(late.pk)
    assert copies.origin(shop, None)["from_backup"] == str(late.pk)


def test_the_end_is_after_every_base_backup_also_when_its_hosts_clock_is_ahead() -> None:
    shop = archived()
    early = backed_up(shop, timedelta(hours=4))
    late = backed_up(shop, -timedelta(days=1), first=9)
    assert copies.origin(shop, None)["from_backup"] == str(late.pk)
    assert copies.origin(shop, datetime.now(UTC))["from_backup"] == str(early.pk)


def test_a_moment_in_a_lost_window_is_refused_and_those_around_it_are_not() -> None:
    shop = archived()
    early, late = backed_up(shop, timedelta(hours=5)), backed_up(shop, timedelta(hours=1), first=9)
    hole = holes.Hole(f"{1:08X}{5:016X}-{1:08X}{6:016X}", f"{1:08X}{6:016X}", NOW - timedelta(hours=3))
    Timeline.objects.update(facts={"archive_holes": holes.told([hole])})
    shop = Resource.objects.get(pk=shop.pk)
    with pytest.raises(AskError, match=f"misses {hole.name}.*is lost.*{early.name} leads no further"):
        copies.origin(shop, NOW - timedelta(hours=2))
    assert copies.origin(shop, NOW - timedelta(hours=4))["from_backup"] == str(early.pk)
    assert copies.origin(shop, NOW)["from_backup"] == str(late.pk)


def test_a_follower_shares_its_leaders_password_and_a_fork_has_its_own() -> None:
    shop = archived()
    backed_up(shop, timedelta(hours=1))
    owner = shop.credentials.get(purpose=Credential.OWNER)
    follower = copies.follow(shop, actor="anna").credentials.get(purpose=Credential.OWNER)
    fork = copies.fork(shop, actor="anna").credentials.get(purpose=Credential.OWNER)
    assert (follower.role, follower.secret) == (owner.role, owner.secret)
    assert fork.role == owner.role
    assert fork.secret != owner.secret


def test_asking_twice_with_one_key_makes_one_copy() -> None:
    shop = archived()
    assert copies.follow(shop, actor="anna", key="k").pk == copies.follow(shop, actor="anna", key="k").pk


def test_a_fork_begins_a_timeline_of_its_own_whose_past_is_not_its_own() -> None:
    shop = archived()
    backed_up(shop, timedelta(hours=1))
    factories.server(pg={"17": "/bin"}, address="127.0.0.9")
    fork = copies.fork(shop, actor="anna", at=NOW - timedelta(minutes=9))
    instance = placement.place(fork)
    assert instance.role == Instance.LEADER
    assert instance.timeline.parent == shop.instance.timeline
    assert instance.timeline.place != shop.instance.timeline.place
    assert instance.timeline.writer == str(instance.pk)
    assert instance.attrs["moment"] == (NOW - timedelta(minutes=9)).isoformat()
    with pytest.raises(AskError, match="no base backup yet"):
        copies.fork(Resource.objects.get(pk=fork.pk), actor="anna")


def test_a_restore_wants_its_name_typed_and_a_moment() -> None:
    shop = archived()
    backed_up(shop, timedelta(hours=1))
    with pytest.raises(AskError, match="say at: the moment to go back to"):
        intents.ask(shop, "restore", actor="anna", reason="a slip", confirm=shop.name)
    with pytest.raises(AskError, match="type its name"):
        intents.ask(shop, "restore", actor="anna", reason="a slip", params={"at": "1 min ago"})
    follower = copies.follow(shop, actor="anna")
    Resource.objects.filter(pk=follower.pk).update(state="available", instance=factories.instance())
    with pytest.raises(AskError, match=f"follows {shop.name}"):
        intents.ask(Resource.objects.get(pk=follower.pk), "restore", actor="anna", params={"at": "1 min ago"})


def test_a_restore_in_place_is_built_on_another_server_at_the_same_port() -> None:
    shop = archived()
    backed_up(shop, timedelta(hours=1))
    spare = factories.server(pg={"17": "/bin"}, address="127.0.0.9")
    intent = copies.restore(shop, actor="anna", at=NOW)
    changeover = Changeover(resource=shop, reason=Changeover.RESTORE, marks={"intent": str(intent.pk)})
    instance = copies.instance_for(changeover)
    assert instance is not None
    assert (instance.server, instance.port, instance.role) == (spare, shop.instance.port, Instance.LEADER)
    assert instance.timeline.parent == shop.instance.timeline
    assert Resource.objects.get(pk=shop.pk).instance == shop.instance
    assert copies.instance_for(Changeover(resource=shop, reason=Changeover.RESIZE)) is None


def test_only_what_was_destroyed_is_brought_back_and_only_while_its_archive_lives() -> None:
    shop = archived()
    backed_up(shop, timedelta(hours=1))
    with pytest.raises(AskError, match="possible while it is destroyed"):
        intents.ask(shop, "undelete", actor="anna")
    Resource.objects.filter(pk=shop.pk).update(state=DESTROYED)
    back = copies.undelete(Resource.objects.get(pk=shop.pk), actor="anna")
    assert (back.state, back.generation) == (CREATING, shop.generation + 1)
    assert Resource.objects.get(pk=shop.pk).instance is None
    gone = archived()
    Resource.objects.filter(pk=gone.pk).update(state=DESTROYED)
    Timeline.objects.filter(resource=gone).update(state="expired")
    with pytest.raises(AskError, match="has no WAL archive"):
        copies.undelete(Resource.objects.get(pk=gone.pk), actor="anna")


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-20 14:03", datetime(2026, 11, 20, 14, 3, tzinfo=UTC)),
        ("2026-11-20T14:03+02:00", datetime(2026, 11, 20, 12, 3, tzinfo=UTC)),
        ("2 hours ago", NOW - timedelta(hours=2)),
        ("90s", NOW - timedelta(seconds=90)),
    ],
)
def test_moments_are_understood(text: str, at: datetime) -> None:
    assert past(text, NOW) == at


def test_what_is_no_moment_is_refused_with_an_example() -> None:
    with pytest.raises(ValueError, match="2026-11-20 14:03"):
        past("yesterday", NOW)


def test_who_follows_nobody_can_not_unfollow() -> None:
    with pytest.raises(AskError, match="is not a follower"):
        intents.ask(archived(), "unfollow", actor="anna")


def test_the_ancestry_ends_where_an_archive_has_gone() -> None:
    shop = archived()
    old = shop.instance.timeline
    new = archiving.begin("new", "w", archived=True, parent=old)
    assert archiving.ancestry(new) == [new, old]
    Timeline.objects.filter(pk=old.pk).update(state="expired")
    assert archiving.ancestry(Timeline.objects.get(pk=new.pk)) == [new]


def test_a_fork_is_copied_of_a_follower_that_is_well_and_best_of_its_neighbour() -> None:
    shop = archived()
    line, fork = shop.instance.timeline, factories.instance(name="fork-1")
    seen = {"replay_lag_s": "0.5", "size_bytes": "8000000"}
    follows = {"timeline": line, "role": Instance.STANDBY, "upstream": shop.instance, "facts": seen}
    assert copying.near(line, fork) is None
    # A commit may wait for it.
    factories.instance(name="a-standby", standby_for=shop, **follows)
    for n, ill in enumerate(({"state": "uncertain"}, {"outdated": True}, {"major": 16}, {"timeline": fork.timeline})):
        factories.instance(name=f"a-{n}", **follows | ill)
    for n, facts in enumerate(({}, seen | {"replay_lag_s": "61"}, {"replay_lag_s": "0"})):
        factories.instance(name=f"b-{n}", **follows | {"facts": facts})
    assert copying.near(line, fork) is None
    well = factories.instance(name="shop-f", **follows)
    assert copying.near(line, fork) == well
    neighbour = factories.instance(name="shop-g", server=fork.server, **follows)
    assert copying.near(line, fork) == neighbour
