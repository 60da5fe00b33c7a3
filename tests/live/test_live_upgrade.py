"""A database of a herd of real processes comes to another major version of PostgreSQL."""

import pytest

from fleet import intents, upgrading
from fleet.models import Changeover, Customer, Instance, Resource, Server
from fleet.providers.local import spawn
from fleet.providers.local.binaries import binaries
from tests.clusters import DEBIAN_15
from tests.herd import again
from tests.live.test_live_copies import LONG_S, built, said
from tests.liveherd import Herd, until

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]


def program() -> str:
    """What the newer version's server says of itself."""
    return spawn.call([str(binaries()[17] / "postgres"), "--version"]).stdout.decode()


def test_it_is_upgraded_with_all_that_is_in_it_under_its_own_name(herd: Herd) -> None:
    """Only pg_upgrade between real clusters, within a changeover, shows that the data arrive under the same URL."""
    herd.grow(servers=3, production=0, starters=0)
    for server in Server.objects.all():
        Server.objects.filter(pk=server.pk).update(pg=server.pg | {"15": str(DEBIAN_15)})
    customer = Customer.objects.get()
    shop = built(intents.create_resource(customer, "standard-0", actor="test", name="shop", major=15))
    said(shop, "CREATE TABLE t (n int PRIMARY KEY)", "INSERT INTO t SELECT generate_series(1, 1000)")
    assert said(shop, "SHOW server_version_num")[0][0].startswith("15")
    old = shop.instance

    asked = intents.ask(Resource.objects.get(pk=shop.pk), "upgrade", actor="test")
    until(lambda: again(asked).state != "open", "the upgrade has ended", LONG_S)
    if why := upgrading.too_old(int(again(old).facts["version"]), program()):
        # Debian's 15 may be a newer release than the wheel's 17: then nobody is stopped for what would fail.
        assert again(asked).state == "refused" and why in again(asked).answer
        assert (built(shop).instance, said(shop, "SELECT count(*) FROM t")[0][0]) == (old, 1000)
        assert not Changeover.objects.filter(resource=shop, marks__has_key="paused").exists()
        return
    moved = Changeover.objects.get(resource=shop)
    assert (again(asked).state, moved.state, moved.reason) == ("done", "done", "upgrade"), again(asked).answer
    shop = built(shop)
    assert (shop.major, shop.instance == old, shop.instance.timeline.parent_id) == (17, False, old.timeline_id)
    assert said(shop, "SHOW server_version_num")[0][0].startswith("17")
    assert said(shop, "INSERT INTO t VALUES (0)", "SELECT count(*) FROM t")[0][0] == 1001
    until(lambda: Instance.objects.get(pk=old.pk).state == "destroyed", "the old one is let go", LONG_S)
    assert said(shop, "SELECT count(*) FROM t")[0][0] == 1001
