"""What customers wait for in a switchover: between the stop of the old leader and the order to the new one there is no
more than what has to be there."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection

from fleet import intents
from fleet.postgres import control
from tests.fakeherd import FakeHerd
from tests.herd import again, offer
from tests.premiumworld import Premium, premium

# Each is a round trip to our own database. Whoever needs more of them measures what it costs (bin/bench switchover).
QUERIES = 32


@pytest.fixture
def world(transactional_db) -> Premium:
    # What waits for a commit counts as well; other tests like that have emptied the tables.
    offer()
    return premium(FakeHerd())


@pytest.fixture
def told(monkeypatch) -> Iterator[list[str]]:
    """The orders to hosts that customers wait for, and the queries, in their order."""
    found: list[str] = []
    for name in ("halt", "promote"):
        monkeypatch.setattr(control, name, noted(found, name, getattr(control, name)))

    def query(execute, sql, *args):
        found.append(sql)
        return execute(sql, *args)

    with connection.execute_wrapper(query):
        yield found


def noted(found: list[str], name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    def order(*args: Any, **more: Any) -> Any:
        found.append(name)
        answer = real(*args, **more)
        found.append(f"{name} done")
        return answer

    return order


def switch(world: Premium) -> None:
    intents.ask(world.resource, "switchover", actor="anna", reason="to see it move")
    world.settle(lambda: again(world.resource).instance_id == world.standby.pk and world.whole())


@pytest.mark.django_db(transaction=True)
def test_little_lies_between_the_stop_and_the_promotion(world: Premium, told: list[str]) -> None:
    """And no member is sent to look before the new leader leads: what it then does takes the processors of hosts that
    customers wait for."""
    switch(world)
    stopped, ordered, promoted = (told.index(one) for one in ("halt done", "promote", "promote done"))
    queries = told[stopped + 1 : ordered]
    assert len(queries) <= QUERIES, "\n".join(one[:100] for one in queries)
    nudges = [n for n, one in enumerate(told) if "UPDATE fleet_instance AS member SET due_at" in one]
    assert not [n for n in nudges if stopped < n < promoted]
    assert [n for n in nudges if n > promoted], "members look once it leads"
