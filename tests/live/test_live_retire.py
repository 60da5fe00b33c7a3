"""A server of a herd of real processes goes out of service: what lives on it moves, customers hear of it, it goes."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from fleet import intents, ring
from fleet.models import Changeover, Customer
from incidents.models import Incident, Notice, Page
from tests.herd import again
from tests.live.test_live_copies import LONG_S, built, said
from tests.liveherd import Herd, until

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]


def test_what_lives_on_it_moves_and_the_machine_is_given_back(herd: Herd) -> None:
    """Only a herd at work has all of it in turn: a playbook, a changeover with data, a notice, a machine to go."""
    (shop,) = herd.grow(servers=3, production=1, starters=0)
    Customer.objects.update(email="ops@acme.example")
    said(shop, "CREATE TABLE t AS SELECT generate_series(1, 1000) AS n")
    server = shop.instance.server
    # Within a day and a half there is no time left for a window.
    by = datetime.now(UTC) + timedelta(hours=30)
    intents.ask(server, "retire", actor="ada", reason="it is old", params={"by": by.isoformat()})
    until(lambda: again(server).state == "retiring", "it retires")
    moved = Changeover.objects.filter(resource=shop)
    until(lambda: moved.filter(state="done").exists(), "it has moved", LONG_S)
    shop = built(shop)
    assert shop.instance.server != server and moved.get().reason == "retirement"
    assert said(shop, "INSERT INTO t VALUES (0)", "SELECT count(*) FROM t")[0][0] == 1001
    (notice,) = Notice.objects.filter(customer=shop.customer, moment="planned", channel="email")
    assert shop.name in notice.subject

    def look() -> bool:
        """Half an hour passes: it has time, and looks no oftener."""
        waiting = Incident.objects.filter(type="server_retiring", state="waiting")
        waiting.update(wait_until=timezone.now())
        ring.nudge(Incident.KIND, waiting.values_list("pk", flat=True))
        return again(server).state == "destroyed"

    until(look, "the machine is given back", LONG_S)
    assert not herd.provider.root.joinpath(server.name).exists()
    until(lambda: not Incident.objects.get(type="server_retiring").is_open, "its incident is over", LONG_S)
    assert not Page.objects.exists()
