"""What timelines, backups, changeovers and addresses look like, on the herd page, on their own and in a family; and the
asks that take more than a reason."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from fleet import lifecycle
from fleet.lifecycle import Because
from fleet.models import Address, Backup, Changeover, Instance, Intent, Resource, Timeline
from fleet.states import ATTACHED, CANCELLED, DETACHED, DONE, EXPIRED, FENCING, KEPT, UPLOADING
from herdsite.portal import moves
from tests import factories

pytestmark = pytest.mark.django_db
RECEIPT = {
    "old_leader": "walrus-1", "new_leader": "walrus-2", "last_seen_lsn": "0/5000000", "last_seen_s": 0.4,
    "last_archived_wal": "000000010000000000000004", "promoted_lsn": "0/5000000", "bound_bytes": 0, "bound_s": 0.0,
    "rests_on": "", "rung": 3, "proof": "it waits for walrus-2", "discarded": None,
}  # fmt: skip


@pytest.fixture
def operator(client):
    user = User.objects.create_superuser("operator")
    client.force_login(user)
    return user


@pytest.fixture
def walrus():
    """A resource with high availability: a leader, a standby, an address, a base backup."""
    plan, now = factories.plan("premium-0"), timezone.now()
    line = Timeline.objects.create(name="walrus-line", archive="directory", plan=plan)
    leader = factories.instance(name="walrus-1", plan=plan, timeline=line)
    resource = factories.resource(name="proud-walrus", instance=leader, plan=plan)
    Timeline.objects.filter(pk=line.pk).update(resource=resource, writer=str(leader.pk))
    factories.instance(
        name="walrus-2", plan=plan, timeline=line, role=Instance.STANDBY, standby_for=resource, upstream=leader,
        facts={"receiver": "streaming", "replay_lag_s": "0.25"},
    )  # fmt: skip
    Address.objects.create(
        name="walrus-address", state=ATTACHED, resource=resource, provider="local", endpoint="127.9.9.9", port=5433,
        target=leader.server.name,
    )  # fmt: skip
    Backup.objects.create(
        name="walrus-base", state=KEPT, timeline=line, instance=leader, bytes=4 * 2**20,
        began_at=now - timedelta(hours=2), ended_at=datetime(2026, 11, 20, 14, 3, tzinfo=UTC),
    )  # fmt: skip
    return Resource.objects.get(pk=resource.pk)


def changeover(resource, state=DONE, **fields) -> Changeover:
    values = {"name": "walrus-move-1", "reason": Changeover.FAILOVER, "actor": "ann", "asked_why": "the host is gone"}
    values |= {"source": resource.instance, "target": Instance.objects.get(name="walrus-2"), "generation": 2}
    return Changeover.objects.create(resource=resource, state=state, **values | fields)


def text(response) -> str:
    return response.content.decode()


def part(page: str, id_: str, end: str) -> str:
    return page[page.index(f'id="{id_}"') :].partition(end)[0]


def test_the_other_kinds_are_counted_in_a_small_line_and_listed_when_asked_for(client, operator, walrus):
    page = text(client.get("/"))
    assert 'id="list-resource"' in page and 'id="list-backup"' not in page
    assert "<b>1</b>" in part(page, "total-backup", "</span></span>")
    assert 'id="row-walrus-base"' in text(client.get("/?kind=backup"))
    assert 'id="row-walrus-base"' in text(client.get("/?q=walrus-base"))
    assert 'id="list-backup"' not in text(client.get("/?q=nothing-like-it"))


def test_what_has_come_to_its_end_is_shown_only_when_asked_for(client, operator, walrus):
    Backup.objects.create(name="walrus-old", state=EXPIRED, due_at=None)
    assert "walrus-old" not in text(client.get("/?kind=backup"))
    assert "walrus-old" in text(client.get("/?kind=backup&state=expired"))


def test_a_changeover_under_way_and_an_address_that_leads_nowhere_are_at_the_top(client, operator, walrus):
    assert 'id="moving"' not in text(client.get("/"))
    changeover(walrus, FENCING)
    Address.objects.filter(name="walrus-address").update(state=DETACHED)
    page = text(client.get("/"))
    moving = part(page, "moving", "</section>")
    for word in ("Fencing", "failover", "walrus-1", "walrus-2", "the host is gone", "127.9.9.9", "not attached"):
        assert word in moving
    assert page.index('id="moving"') < page.index('aria-label="Totals"')


def test_the_herd_costs_no_more_queries_for_what_moves(client, operator, walrus):
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get("/").status_code == 200
        return len(queries)

    before = cost()
    changeover(walrus, FENCING)
    Backup.objects.bulk_create(Backup(name=f"b-{n}", state=KEPT) for n in range(20))
    assert cost() <= before


@pytest.mark.parametrize("name", ["walrus-line", "walrus-base", "walrus-move-1", "walrus-address", "walrus-2"])
def test_every_kind_has_a_page(client, operator, walrus, name):
    changeover(walrus)
    page = text(client.get(f"/things/{name}"))
    assert f"<h1>{name} " in page and 'href="/things/proud-walrus"' in page


def test_a_resource_shows_its_family(client, operator, walrus):
    Resource.objects.filter(pk=walrus.pk).update(
        quorum={"required": ["walrus_2"], "says": "cant_lose"},
        drilled={
            "good": True,
            "at": "2026-11-21T02:00:00+00:00",
            "took_s": 12.5,
            "newest": "2026-11-21T01:59:00+00:00",
        },
        window="Tue 03:00",
    )
    factories.resource(name="walrus-reader", follows=walrus)
    factories.resource(name="walrus-fork", forked_from=walrus)
    page = text(client.get("/things/proud-walrus"))
    assert "No acknowledged write can be lost: a commit waits for walrus-2." in part(page, "safety", "</p>")
    standby = part(page, "holder-walrus-2", "</tr>")
    assert "Standby" in standby and "0.2 s" in standby and "synchronous" in standby
    assert "commits wait" not in part(page, "holder-walrus-1", "</tr>")
    assert "127.9.9.9:5433" in part(page, "address", "</dd>")
    assert "follows this one" in page and "was forked from this one" in page
    assert "from 2026-11-20 14:03:00" in part(page, "window", "</dd>")
    assert "took 12.5 s" in part(page, "drill", "</dd>") and "Tue 03:00 UTC" in page
    assert "4.0 MB" in part(page, "copy-walrus-base", "</tr>")


def test_a_resources_logical_backups_can_be_fetched_from_its_page(client, operator, walrus):
    for n, state in enumerate((KEPT, UPLOADING), 1):
        Backup.objects.create(name=f"walrus-dump-{n}", method=Backup.LOGICAL, state=state, resource=walrus)
    page = text(client.get("/things/proud-walrus"))
    assert 'form="download" name="backup" value="walrus-dump-1"' in part(page, "copy-walrus-dump-1", "</tr>")
    assert "Download" not in part(page, "copy-walrus-dump-2", "</tr>") + part(page, "copy-walrus-base", "</tr>")
    assert 'action="/downloads"' in page
    assert client.post("/downloads", {"backup": "walrus-dump-1"})["Location"].startswith("/downloads?token=")


def test_what_is_under_way_is_told_with_how_far_it_is(client, operator, walrus):
    felt = {"job": "running", "taken_what": "copying", "taken_s": "4"}
    size = {"taken_bytes": str(2**21), "taken_of": str(2**23)}
    Instance.objects.filter(name="walrus-2").update(state="creating", facts=felt | size)
    Backup.objects.create(
        name="walrus-base-2", state=UPLOADING, timeline=walrus.instance.timeline, facts=felt | {"taken_bytes": "1024"}
    )
    far = "copying 2.0 MB of 8.0 MB, 512.0 KB/s, 12 s left"
    for name in ("proud-walrus", "walrus-2"):
        assert f"walrus-2: {far}" in text(client.get(f"/things/{name}"))
    unknown = "copying 1.0 KB of an unknown total, 256 bytes/s"
    assert unknown in part(text(client.get("/things/proud-walrus")), "copy-walrus-base-2", "</tr>")
    assert f"walrus-base-2: {unknown}" in text(client.get("/things/walrus-line"))
    assert far in part(text(client.get("/family/proud-walrus")), "line-walrus-line", "</li></ul>")


def test_a_failover_may_lose_what_no_commit_waits_for(client, operator, walrus):
    page = text(client.get("/things/proud-walrus"))
    assert "Can lose writes that no standby has received yet" in part(page, "safety", "</p>")
    walrus.standbys.update(standby_for=None)
    assert "There is no standby. Can lose" in part(text(client.get("/things/proud-walrus")), "safety", "</p>")


@pytest.mark.parametrize(
    ("fields", "said", "harmless"),
    [
        ({"receipt": RECEIPT}, "No acknowledged write was lost.", True),
        ({"receipt": RECEIPT, "reason": "switchover"}, "stopped cleanly", True),
        (
            {"receipt": RECEIPT | {"bound_bytes": 2048, "bound_s": 1.25}},
            "At most 2.0 KB of WAL, none of it",
            False,
        ),
        ({"receipt": RECEIPT | {"bound_bytes": None, "rests_on": "nobody looked"}}, "can't be bounded: nobody", False),
        (
            {"receipt": RECEIPT | {"discarded": {"from_lsn": "0/5", "to_lsn": "0/9", "bytes": 4}}},
            "The old leader had 4 bytes more: 0/5 to 0/9 was discarded",
            True,
        ),
        (
            {"receipt": RECEIPT | {"discarded": {"from_lsn": "0/5", "to_lsn": "0/9", "bytes": 4, "commits": 2}}},
            "with 2 commits, acknowledged only where a client cancelled the wait or had set synchronous_commit",
            True,
        ),
        ({"state": CANCELLED}, "Nothing was promoted", True),
    ],
)
def test_a_receipt_is_told_in_words(walrus, fields, said, harmless):
    lost, good = moves.loss(changeover(walrus, **fields))
    assert said in lost and good is harmless


def test_the_steps_of_a_changeover_carry_their_times(client, operator, walrus):
    made = changeover(walrus, receipt=RECEIPT, proof={"text": "the machine is stopped"})
    made.refresh_from_db()
    began = made.created_at.timestamp()
    Changeover.objects.update(marks={"ready": began + 0.1, "fenced": began + 0.25, "repointed": began + 1.5})
    page = text(client.get("/things/proud-walrus"))
    receipt = part(page, "move-walrus-move-1", "</article>")
    assert "the machine is stopped" in receipt and "in 1.5 s" in receipt
    assert re.findall(r">(\+[\d.]+ s)<", receipt) == ["+0.10 s", "+0.25 s", "+1.50 s"]


def test_the_tree_has_a_branch_for_a_fork_and_a_line_for_a_promotion(client, operator, walrus):
    line = Timeline.objects.get(name="walrus-line")
    at = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
    Timeline.objects.create(name="walrus-line-2", resource=walrus, parent=line, forked_lsn="0/7000060", forked_at=at)
    fork = factories.resource(name="walrus-fork", forked_from=walrus)
    Timeline.objects.filter(pk=fork.instance.timeline_id).update(resource=fork, parent=line, forked_lsn="0/6000000")
    for name in ("proud-walrus", "walrus-fork"):
        page = text(client.get(f"/family/{name}"))
        assert len(re.findall(r'class="branch"', page)) == 2
        assert "0/7000060" in part(page, "line-walrus-line-2", "</li>") and "2026-11-21 08:30:00" in page
        assert "leads" in page and "standby of" in page
    assert page.index('id="line-walrus-line"') < page.index(f'id="branch-{fork.instance.timeline.name}"')
    assert client.get("/family/nobody").status_code == 404


def test_the_tree_says_since_when_a_timeline_is_written_no_more(client, operator, walrus):
    line = Timeline.objects.get(name="walrus-line")
    assert "closed at" not in text(client.get("/family/proud-walrus"))
    lifecycle.move(line, "close", Because(101, "another leads", "a test"))
    line.refresh_from_db()
    shown = part(text(client.get("/family/proud-walrus")), "line-walrus-line", "</li>")
    assert f"closed at {line.closed_at:%Y-%m-%d %H:%M:%S} UTC" in shown


def test_a_fork_is_asked_for_with_its_moment_and_its_name(client, operator, walrus):
    sent = {"verb": "fork", "at": "2026-11-20 15:00", "name": "walrus-then", "reason": "to look"}
    answer = client.post("/things/proud-walrus", sent, follow=True)
    assert "walrus-then requested: fork of proud-walrus" in text(answer)
    assert Resource.objects.get(name="walrus-then").attrs["moment"].startswith("2026-11-20T15:00")


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("sent", "why_not"),
    [
        ({"verb": "fork", "at": "yesterday"}, "is not a time"),
        ({"verb": "fork", "at": "2020-01-01 00:00"}, "outside the range that can be restored"),
        ({"verb": "follow", "name": "Not A Name"}, "use lower-case letters"),
        ({"verb": "restore", "at": "2026-11-20 15:00", "reason": "x", "confirm": "walrus"}, "type its name to confirm"),
        ({"verb": "restore", "at": "2026-11-20 15:00", "confirm": "proud-walrus"}, "give a reason"),
        ({"verb": "switchover", "to": "elsewhere"}, "Choose one of: walrus-2"),
        ({"verb": "switchover", "not_before": "window"}, "no maintenance window"),
        ({"verb": "failover", "force": "on", "reason": "x", "confirm": "proud-walrus"}, "say what may be lost"),
        ({"verb": "failover", "force": "on", "accept_loss": "some", "confirm": "proud-walrus"}, "is not a loss"),
        ({"verb": "failover", "force": "on", "accept_loss": "9", "reason": "x"}, "type its name to confirm"),
        ({"verb": "failover", "force": "on", "accept_loss": "9", "confirm": "proud-walrus"}, "give a reason"),
        ({"verb": "resize"}, "Say the plan"),
        ({"verb": "resize", "plan": "premium-0"}, "has the plan premium-0 already"),
    ],
)
def test_what_does_not_make_sense_is_refused_and_kept(client, operator, walrus, sent, why_not):
    answer = client.post("/things/proud-walrus", sent)
    said = part(text(answer), "refused", "</p>").replace("&#x27;", "'")
    assert answer.status_code == 422 and why_not in said
    assert not Intent.objects.exists() and Resource.objects.count() == 1
    assert all(f'value="{sent[field]}"' in text(answer) for field in ("at", "name", "to", "confirm") if field in sent)
    assert " open>" in text(answer)


def test_a_forced_failover_carries_what_was_accepted(client, operator, walrus):
    sent = {"verb": "failover", "to": "walrus-2", "force": "on", "accept_loss": "4096", "confirm": "proud-walrus"}
    assert client.post("/things/proud-walrus", sent | {"reason": "the zone is gone"}).status_code == 302
    assert Intent.objects.get().params == {"to": "walrus-2", "force": True, "accept_loss": "4096"}


def test_only_what_can_be_of_use_is_offered(client, operator, walrus):
    verbs = re.compile(r'name="verb" value="(\w+)"')
    offered = set(verbs.findall(text(client.get("/things/proud-walrus"))))
    assert {"failover", "switchover", "resize", "follow", "fork", "restore", "backup"} <= offered
    assert not {"unfollow", "undelete"} & offered
    assert set(verbs.findall(text(client.get("/things/walrus-address")))) == {"detach"}
    assert 'id="ask"' not in text(client.get("/things/walrus-base"))
    Resource.objects.filter(pk=walrus.pk).update(state="destroyed")
    assert set(verbs.findall(text(client.get("/things/proud-walrus")))) == {"fork", "undelete"}


def test_a_changeover_that_is_over_can_not_be_asked_for_anything(client, operator, walrus):
    changeover(walrus)
    answer = client.post("/things/walrus-move-1", {"verb": "cancel"})
    assert answer.status_code == 422 and "is done: nothing can be asked of it" in text(answer)
