"""The herd page: what it shows, in which order, to whom, at what cost; and that it says so when it can't be trusted."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from fleet.models import Resource
from fleet.states import AVAILABLE, CREATING, DESTROYED, DOWN, STATES, UNCERTAIN
from herdsite.portal import lists, map
from tests import factories

pytestmark = pytest.mark.django_db
PAGES = ("/", "/rings", "/tables", "/things/some-thing")


@pytest.fixture
def operator(client):
    user = User.objects.create_superuser("operator")
    client.force_login(user)
    return user


@pytest.fixture
def now():
    return timezone.now()


def felt(at):
    """Columns of a thing that was looked at then, and is due again in a while."""
    return {"felt_at": at, "seen_at": at, "due_at": at + timedelta(seconds=30)}


def text(response) -> str:
    return response.content.decode()


def rows(response) -> list[str]:
    """The names in the lists, in their order."""
    return re.findall(r'<tr id="row-([a-z0-9-]+)"', text(response))


def token(response) -> str:
    return re.search(r'data-token="(\w+)"', text(response)).group(1)


def row_of(response, name: str) -> str:
    return re.search(rf'<tr id="row-{name}".*?</tr>', text(response), re.DOTALL).group(0)


@pytest.mark.parametrize("page", PAGES)
def test_strangers_are_sent_to_the_login_and_come_back(client, page):
    answer = client.get(page)
    assert answer.status_code == 302 and answer.url == f"/admin/login/?next={page}"


@pytest.mark.parametrize("page", PAGES)
def test_who_is_no_operator_is_forbidden(client, page):
    client.force_login(User.objects.create_user("customer"))
    answer = client.get(page)
    assert answer.status_code == 403 and "staff status" in text(answer)


def test_a_row_tells_all_that_is_known(client, operator, now):
    server = factories.server(name="host-a", zone="north", facts={"load1": "0.42", "disk_used_pct": "23"}, **felt(now))
    instance = factories.instance(
        name="steady-otter",
        server=server,
        facts={"connections": "8", "max_connections": "200", "size_bytes": "2048"},
        **felt(now),
    )
    factories.resource(
        name="proud-walrus",
        instance=instance,
        plan=factories.plan("premium-0"),
        customer=factories.customer(name="Acme & Sons"),
        state=DOWN,
        row=313,
        why="what is beneath it does not serve",
        problem="no route to host",
        facts={"connections": "12", "db_size_bytes": "5242880"},
        **felt(now),
    )
    page = client.get("/")
    row = row_of(page, "proud-walrus")
    for part in ("Down", "Acme &amp; Sons", "premium-0", "north", "host-a", "steady-otter", "12 / 120", "5.0 MB"):
        assert part in row
    assert 'href="/tables#resource-313">313</a> what is beneath it does not serve' in row
    assert "no route to host" in row and f'data-at="{now.timestamp():.3f}"' in row
    assert "8 / 200" in row_of(page, "steady-otter") and "2.0 KB" in row_of(page, "steady-otter")
    assert "0.42" in row_of(page, "host-a") and "23 %" in row_of(page, "host-a")


def test_what_is_not_known_is_left_empty(client, operator):
    factories.resource(name="young-lark", instance=None, state=CREATING)
    row = row_of(client.get("/"), "young-lark")
    assert "never" in row and "None" not in row


def test_every_state_has_its_label_and_its_colour(client, operator):
    server = factories.server()
    for n, state in enumerate(("creating", "available", "uncertain", "down", "stopped", "fenced", "destroying")):
        factories.instance(name=f"one-{n}", server=server, state=state)
    page = client.get("/")
    for n, state in enumerate(("creating", "available", "uncertain", "down", "stopped", "fenced", "destroying")):
        look = STATES[state]
        assert f'<span class="chip {look.colour}">{look.label}</span>' in row_of(page, f"one-{n}")


def test_what_is_troubled_comes_first(client, operator):
    instance = factories.instance(name="i")
    for name, state in (
        ("a", AVAILABLE),
        ("b", CREATING),
        ("c", UNCERTAIN),
        ("d", DOWN),
        ("e", AVAILABLE),
        ("f", DOWN),
    ):
        factories.resource(name=name, instance=instance, state=state)
    assert rows(client.get("/?kind=resource")) == ["d", "f", "c", "b", "a", "e"]


def test_totals_count_each_kind_by_state_and_link_to_them(client, operator):
    instance = factories.instance()
    for state in (AVAILABLE, AVAILABLE, DOWN, DESTROYED):
        factories.resource(instance=instance, state=state)
    total = re.search(r'id="total-resource".*?</div>', text(client.get("/")), re.DOTALL).group(0)
    assert "<b>3</b>" in total and "Destroyed" not in total
    assert '<a class="chip bad" href="?kind=resource&amp;state=down"><b>1</b> Down</a>' in total
    assert '<a class="chip good" href="?kind=resource&amp;state=available"><b>2</b> Available</a>' in total


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=otter", ["swift-otter"]),
        ("q=OTTER", ["swift-otter"]),
        ("q=acme", ["calm-yak"]),
        ("q=dforyak", ["calm-yak"]),
        ("zone=south", ["calm-yak"]),
        ("state=down", ["swift-otter"]),
        ("state=destroyed", ["late-newt"]),
        ("state=down&zone=south", []),
        ("q=%00%20otter", ["swift-otter"]),
        ("q=%25", []),
        ("state=nonsense", []),
        ("zone=nonsense", []),
        ("page=-3", ["swift-otter", "calm-yak"]),
        ("page=nonsense", ["swift-otter", "calm-yak"]),
        ("page=99999999999999999999", ["swift-otter", "calm-yak"]),
        ("page=9999", ["swift-otter", "calm-yak"]),
    ],
)
def test_filters_narrow_the_lists(client, operator, query, found):
    south = factories.instance(name="i1", server=factories.server(name="s1", zone="south"))
    north = factories.instance(name="i2", server=factories.server(name="s2", zone="north"))
    acme = factories.customer(name="Acme")
    factories.resource(name="calm-yak", instance=south, customer=acme, dbname="dforyak")
    factories.resource(name="swift-otter", instance=north, state=DOWN)
    factories.resource(name="late-newt", instance=north, state=DESTROYED, due_at=None)
    answer = client.get(f"/?kind=resource&{query}")
    assert answer.status_code == 200 and rows(answer) == found


def test_a_kind_that_there_is_not_shows_nothing(client, operator):
    factories.server()
    answer = client.get("/?kind=elephant")
    assert answer.status_code == 200 and rows(answer) == [] and "There is no such kind" in text(answer)


def test_lists_come_in_pages(client, operator, monkeypatch):
    monkeypatch.setattr(lists, "PAGE", 3)
    instance = factories.instance()
    for n in range(7):
        factories.resource(name=f"r{n}", instance=instance)
    first, last = client.get("/?kind=resource&zone=a"), client.get("/?kind=resource&zone=a&page=3")
    assert rows(first) == ["r0", "r1", "r2"] and "1–3 of 7" in text(first)
    assert '<a href="?kind=resource&amp;zone=a&amp;page=2" rel="next">' in text(first) and 'rel="prev"' not in text(
        first
    )
    assert rows(last) == ["r6"] and "7–7 of 7" in text(last)
    assert '<a href="?kind=resource&amp;zone=a&amp;page=2" rel="prev">' in text(last) and 'rel="next"' not in text(last)


def test_pages_go_on_from_the_troubled_to_the_others(client, operator, monkeypatch):
    monkeypatch.setattr(lists, "PAGE", 3)
    instance = factories.instance()
    for n, state in enumerate((AVAILABLE, DOWN, AVAILABLE, DOWN, UNCERTAIN, DOWN, AVAILABLE, UNCERTAIN)):
        factories.resource(name=f"r{n}", instance=instance, state=state)
    pages = [rows(client.get(f"/?kind=resource&page={page}")) for page in (1, 2, 3)]
    assert pages == [["r1", "r3", "r5"], ["r4", "r7", "r0"], ["r2", "r6"]]
    assert rows(client.get("/?kind=resource&q=r&page=2")) == ["r4", "r7", "r0"]


def test_beside_the_resources_only_the_first_servers_are_listed(client, operator, monkeypatch):
    monkeypatch.setattr(lists, "GLANCE", 2)
    for n in range(3):
        factories.server(name=f"s{n}", state=DOWN if n == 2 else AVAILABLE)
    assert rows(client.get("/")) == ["s2", "s0"] and '<a href="?kind=server">All 3</a>' in text(client.get("/"))
    assert rows(client.get("/?kind=server")) == ["s2", "s0", "s1"]


def test_a_refresh_is_the_same_fragment_and_nothing_when_nothing_changed(client, operator, now):
    resource = factories.resource(**felt(now))
    page = client.get("/?kind=resource")
    fragment = client.get("/?kind=resource&fragment=herd")
    live = text(page)[text(page).index('<div id="live"') :]
    assert re.sub(r'data-now="[\d.]+"', "", live).startswith(re.sub(r'data-now="[\d.]+"', "", text(fragment)).strip())
    same = client.get(f"/?kind=resource&fragment=herd&token={token(page)}")
    assert same.status_code == 204 and not same.content and float(same["Herdsite-Now"]) >= now.timestamp()

    Resource.objects.filter(pk=resource.pk).update(felt_at=Now(), seen_at=Now())
    changed = client.get(f"/?kind=resource&fragment=herd&token={token(page)}")
    assert changed.status_code == 200 and token(changed) != token(page) and "<html" not in text(changed)


def test_the_page_is_never_kept_by_a_browser(client, operator):
    assert client.get("/")["Cache-Control"] == "no-store"
    assert client.get("/?fragment=herd")["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("felt_ago", "due_ago", "said"),
    [(10, 0, []), (64, 0, []), (66, 0, ["No worker is looking"]), (10, 61, ["1 thing has waited more than a minute"])],
)
def test_it_says_so_when_the_herd_is_not_looked_at(client, operator, now, felt_ago, due_ago, said):
    factories.server(felt_at=now - timedelta(seconds=felt_ago), due_at=now - timedelta(seconds=due_ago))
    page = text(client.get("/"))
    banner = page[page.index('<div id="live"') : page.index('aria-label="Totals"')]
    assert all(words in banner for words in said)
    assert ('class="silence"' in banner) == bool(said)


def test_an_overdue_thing_is_marked_in_its_row(client, operator, now):
    factories.server(name="forgotten", felt_at=now, due_at=now - timedelta(seconds=75))
    factories.server(name="cared-for", felt_at=now, due_at=now + timedelta(seconds=5))
    page = client.get("/")
    assert "<b>late</b>" in row_of(page, "forgotten") and "<b>late</b>" not in row_of(page, "cared-for")


def test_no_herd_is_no_silence(client, operator):
    page = text(client.get("/"))
    assert "There is no herd yet" in page and 'class="silence"' not in page


def test_the_map_has_a_cell_for_each_thing(client, operator):
    server = factories.server(name="host-b", zone="b")
    instance = factories.instance(name="steady-otter", server=server, state=UNCERTAIN)
    factories.resource(name="calm-yak", instance=instance, state=DOWN)
    factories.resource(name="young-lark", instance=None, state=CREATING)
    page = text(client.get("/"))
    assert 'id="zone-b"' in page
    assert '<a class="mark good" href="/things/host-b" title="host-b: Available">' in page
    assert '<a class="mark doubt" href="/things/steady-otter" title="steady-otter, leader: Uncertain">' in page
    assert 'class="cell bad" id="map-calm-yak" href="/things/calm-yak" title="calm-yak: Down"' in page
    assert 'class="mark busy" id="map-young-lark"' in page


def test_of_many_resources_the_map_counts_those_of_an_instance(client, operator, monkeypatch):
    monkeypatch.setattr(map, "CELLS", 2)
    instance = factories.instance()
    for state in (DOWN, AVAILABLE, AVAILABLE, DESTROYED):
        factories.resource(instance=instance, state=state)
    page = text(client.get("/"))
    cells = re.search(r'<span class="cells">(.*?)</span>\s*</div>', page, re.DOTALL).group(1)
    assert re.findall(r'count (\w+)" title="\w+">(\d+)', cells) == [("bad", "1"), ("good", "2")]


def test_of_many_servers_each_is_one_cell_with_the_colour_of_the_worst_on_it(client, operator, monkeypatch):
    monkeypatch.setattr(map, "SERVERS", 2)
    monkeypatch.setattr(map, "CELLS", 3)
    servers = [factories.server(name=f"s{n}") for n in range(5)]
    factories.resource(instance=factories.instance(server=servers[3]), state=DOWN)
    factories.instance(server=servers[4], state=UNCERTAIN)
    factories.resource(instance=factories.instance(server=servers[1]), state=DESTROYED)
    page = text(client.get("/"))
    found = re.findall(r'class="cell (\w+)" id="map-(s\d)" [^>]*title="([^"]+)"', page)
    assert found == [
        ("good", "s0", "s0: Available"),
        ("bad", "s3", "s3: Available, on this server: down"),
        ("doubt", "s4", "s4: Available, on this server: uncertain"),
    ]
    assert "and 2 more servers" in page


def test_the_map_of_one_zone(client, operator):
    factories.server(name="s1", zone="a")
    factories.server(name="s2", zone="b")
    page = text(client.get("/?zone=b"))
    assert 'id="map-s2"' in page and 'id="map-s1"' not in page
    assert 'id="map-' not in text(client.get("/?q=s2"))


@pytest.mark.thorough
@pytest.mark.parametrize("query", ["", "?kind=resource", "?q=r", "?fragment=herd"])
@pytest.mark.parametrize("apart", [False, True], ids=["on one server", "on a server each"])
def test_it_costs_as_many_queries_for_60_resources_as_for_10(client, operator, query, apart, now):
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(f"/{query}").status_code == 200
        return len(queries)

    shared, customer = factories.instance(), factories.customer()
    for _ in range(10):
        factories.resource(instance=factories.instance() if apart else shared, customer=customer, **felt(now))
    few = cost()
    for n in range(50):
        state = DOWN if n % 5 else AVAILABLE
        instance = factories.instance(state=state) if apart else shared
        factories.resource(instance=instance, customer=customer, state=state, **felt(now))
    assert Resource.objects.count() == 60
    assert cost() <= few
