"""Dumps from outside: which addresses may be fetched, and that what comes from there is whole, a dump, and not too big
before the database changes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from logical_world import World, built, on_disk, serving

from fleet import jobs, logical
from fleet.logical import outside, storage
from fleet.transports import outward
from tests import factories
from tests.clusters import Cluster


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://example.com/x", "begins with https"),
        ("file:///etc/passwd", "begins with https"),
        ("https:///x", "begins with https"),
        ("http://example.com/x", "Only https"),
        ("https://user:pass@example.com/x", "password"),
        ('https://example.com/x"\noutput = "/etc/passwd', "Not an address"),
        ('https://example.com/x"', "Not an address"),
        ("https://example.com:port/x", "Not an address"),
        ("https://exa mple.com/x", "Not an address"),
        ("https://[::1/x", "Not an address"),
    ],
)
def test_what_is_no_address_is_refused(url: str, why: str, settings) -> None:
    settings.IMPORT_HOSTS = ["*"]
    with pytest.raises(outside.NotAllowed, match=why):
        outside.check(url)


def test_only_hosts_that_the_settings_allow(settings) -> None:
    settings.IMPORT_HOSTS = ["dumps.example.com", "*.backups.example.com"]
    assert outside.check("http://dumps.example.com/x") == ("dumps.example.com", 80, True)
    assert outside.check("https://eu.backups.example.com:8443/x") == ("eu.backups.example.com", 8443, True)
    for other in ("example.com", "dumps.example.com.evil.example", "evil-backups.example.com", "127.0.0.1"):
        with pytest.raises(outside.NotAllowed, match="Nothing may be fetched from"):
            outside.check(f"https://{other}/x")


def test_a_public_name_that_leads_inside_is_refused(settings, monkeypatch) -> None:
    settings.IMPORT_HOSTS = ["*"]
    leads = {"inside.example.com": "169.254.169.254", "home.example.com": "10.0.0.7", "public.example.com": "8.8.8.8"}
    leads |= {"six.example.com": "2606:4700::1111", "mapped.example.com": "::ffff:127.0.0.1"}
    monkeypatch.setattr(outward.socket, "getaddrinfo", lambda host, port, type: [(0, 0, 0, "", (leads[host], port))])
    for name in ("inside", "home", "mapped"):
        with pytest.raises(outside.NotAllowed, match="not on the public internet"):
            outside.pin(f"https://{name}.example.com/x")
        with pytest.raises(outside.NotAllowed, match="not on the public internet"):
            outside.judge(f"https://{name}.example.com/x")
    outside.judge("https://public.example.com/x")
    assert outside.pin("https://public.example.com/x") == "public.example.com:443:8.8.8.8"
    assert outside.pin("https://six.example.com/x") == "six.example.com:443:[2606:4700::1111]"


# What is fetched for real.


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with built() as cluster:
        yield cluster


@pytest.fixture
def world(cluster: Cluster, settings, tmp_path: Path) -> World:
    return on_disk(cluster, settings, tmp_path.name)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    with serving(tmp_path) as address:
        yield address


@pytest.mark.django_db
def test_a_dump_from_outside_is_loaded(world: World, served: str, tmp_path: Path) -> None:
    shop, other = world.resource("shop"), world.resource("other")
    world.fill("shop")
    stored = Path(storage.place().source(world.taken(shop).label)[0])
    (tmp_path / "latest dump").write_bytes(stored.read_bytes())
    look = world.loaded(other, {"url": f"{served}/latest%20dump?signature=a'b&c[0]=1"})
    assert look.job == jobs.DONE, look.why
    assert world.sees("other") == world.sees("shop")


@pytest.mark.django_db
def test_what_is_broken_or_missing_or_too_big_changes_nothing(world: World, served: str, tmp_path: Path) -> None:
    shop = world.resource("shop")
    world.fill("shop")
    before, whole = world.sees("shop")[:2], Path(storage.place().source(world.taken(shop).label)[0]).read_bytes()
    bad = {
        "cut": (whole[:-300], "end of file"),
        "changed": (whole[:9000] + bytes(64) + whole[9064:], ""),
        "words": (b"DROP TABLE goods;\n", "its last line is missing"),
        "none": (b"", "there is nothing in it"),
    }
    for name, (content, why) in bad.items():
        (tmp_path / name).write_bytes(content)
        look = world.loaded(shop, {"url": f"{served}/{name}"})
        assert look.job == jobs.FAILED, name
        assert why in look.why, name
        assert world.sees("shop")[:2] == before, name
    look = world.loaded(shop, {"url": f"{served}/nothing-there"})
    assert look.job == jobs.FAILED
    assert "could not be fetched" in look.why
    (tmp_path / "big").write_bytes(bytes(3 << 20))
    shop.plan.disk_mb = 2
    look = world.loaded(shop, {"url": f"{served}/big"})
    assert look.job == jobs.FAILED
    assert "larger than" in look.why
    assert world.sees("shop")[:2] == before
    assert world.databases() == []


@pytest.mark.django_db
def test_what_a_dump_does_it_does_as_the_owner(world: World, served: str, tmp_path: Path) -> None:
    """A function that a dump calls while it is restored tries to become somebody else."""
    shop, other = world.resource("shop"), world.resource("other")
    world.fill("shop", "CREATE FUNCTION low(n int) RETURNS int VOLATILE LANGUAGE plpgsql AS $$ BEGIN RETURN n; END $$")
    world.fill("shop", "CREATE TABLE t (n int CHECK (low(n) > 0)); INSERT INTO t VALUES (1)")
    evil = "RESET ROLE; SET SESSION AUTHORIZATION postgres; CREATE ROLE evil SUPERUSER; RETURN n;"
    world.fill(
        "shop",
        f"CREATE OR REPLACE FUNCTION low(n int) RETURNS int VOLATILE LANGUAGE plpgsql AS $$ BEGIN {evil} END $$",
    )
    stored = Path(storage.place().source(world.taken(shop).label)[0])
    (tmp_path / "evil").write_bytes(stored.read_bytes())
    look = world.loaded(other, {"url": f"{served}/evil"})
    assert look.job == jobs.FAILED
    assert "permission denied to set session authorization" in look.why
    assert world.cluster.sql("SELECT count(*) FROM pg_roles WHERE rolname = 'evil'") == "0"


# Refusals beforehand.


@pytest.mark.django_db
def test_what_can_not_be_loaded_is_refused_before_anything_starts(settings) -> None:
    settings.IMPORT_HOSTS = []
    ada = factories.customer(name="ada")
    shop, other = factories.resource(name="shop", customer=ada), factories.resource(name="other")
    mine = factories.resource(name="mine", customer=ada)
    backup = logical.begin(shop, shop.created_at)
    params = {"backup": backup.name}
    assert "There is no logical backup 'nothing'" in logical.refusal(shop, {"backup": "nothing"})
    assert "is not kept (started)" in logical.refusal(shop, params)
    type(backup).objects.filter(pk=backup.pk).update(state="kept", bytes=1_000_000)
    assert logical.refusal(shop, params) == logical.refusal(mine, params) == ""
    assert "shop-dump-1 is ada's and other is customer-" in logical.refusal(other, params)
    assert logical.refusal(other, params | {"across_customers": True}) == ""
    shop.instance.server.facts = {"disk_free_kb": "4800"}
    assert "are needed on" in logical.refusal(shop, params)
    shop.plan.disk_mb = 3
    assert "shop-dump-1 needs 4 MB, and shop's plan has 3 MB." in logical.refusal(shop, params)
    assert "Say what to load" in logical.refusal(shop, {})
    assert "Say what to load" in logical.refusal(shop, params | {"url": "https://example.com/x"})
    assert "Nothing may be fetched from" in logical.refusal(shop, {"url": "https://example.com/x"})
    shop.follows = other
    assert "read-only" in logical.refusal(shop, params)
