"""/metrics/databases: a database's facts by its name, where that is asked for, as far as they are known and young."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from fleet.models import Resource
from tests import factories

pytestmark = pytest.mark.django_db
FACTS = {
    "service_available": "true", "db_size_bytes": "9000000", "connections": "12", "table_hit_pct": "99.5",
    "estimated_rows": "7", "tables": "1e400",
}  # fmt: skip


@pytest.fixture(autouse=True)
def told(settings) -> None:
    settings.METRICS_DATABASES = 3


def felt(ago_s: float = 5, **facts: str) -> dict[str, Any]:
    return {"felt_at": timezone.now() - timedelta(seconds=ago_s), "facts": facts}


def scraped(client: Any, query: str = "") -> dict[tuple[str, str], float]:
    answer = client.get(f"/metrics/databases{query}")
    assert answer.status_code == 200
    families = text_string_to_metric_families(answer.content.decode())
    return {(one.name, one.labels.get("database", "")): one.value for family in families for one in family.samples}


def numbers(client: Any, name: str) -> dict[str, float]:
    prefix = "herdsite_database_"
    return {what.removeprefix(prefix): value for (what, whose), value in scraped(client).items() if whose == name}


def test_it_is_there_only_where_it_is_asked_for(client, settings) -> None:
    settings.METRICS_DATABASES = 0
    assert client.get("/metrics/databases").status_code == 404


def test_it_is_for_whom_metrics_is(client, settings) -> None:
    settings.METRICS_TOKEN = "secret"
    assert client.get("/metrics/databases", REMOTE_ADDR="10.0.0.1").status_code == 403
    header = {"authorization": "Bearer secret"}
    assert client.get("/metrics/databases", REMOTE_ADDR="10.0.0.1", headers=header).status_code == 200


def test_what_is_known_of_one(client) -> None:
    instance = factories.instance(server=factories.server(zone="b"), **felt(standby_lag_bytes="64", wal_bytes="5"))
    factories.resource(name="shop", instance=instance, **felt(**FACTS))
    known = numbers(client, "shop")
    assert {name: known[name] for name in ("up", "size_bytes", "connections", "table_hit_ratio", "rows")} == {
        "up": 1, "size_bytes": 9_000_000, "connections": 12, "table_hit_ratio": 0.995, "rows": 7,
    }  # fmt: skip
    assert (known["standby_lag_bytes"], known["wal_bytes"]) == (64, 5)
    assert (known["size_limit_bytes"], known["connections_limit"]) == (4_096 * 2**20, 120)
    # Neither what is no number, nor what nobody knows, is told.
    assert not {"tables", "index_hit_ratio", "replay_lag_seconds", "rows_limit"} & set(known)
    text = client.get("/metrics/databases").content.decode()
    (info,) = re.findall(r"^herdsite_database_info\{(.*)\} 1\.0$", text, re.M)
    assert 'plan="standard-0"' in info and 'zone="b"' in info and 'role="leader"' in info


def test_what_is_stale_is_not_told_as_if_it_were_now(client) -> None:
    factories.resource(name="shop", **felt(ago_s=151, **FACTS))
    assert not {"up", "size_bytes"} & set(numbers(client, "shop"))
    assert {"felt_timestamp_seconds", "info", "size_limit_bytes"} <= set(numbers(client, "shop"))


def test_so_many_are_told_and_no_more(client) -> None:
    for name in ("a", "b", "c", "d", "e"):
        factories.resource(name=name, **felt(**FACTS))
    factories.resource(name="gone", state="destroyed", **felt(**FACTS))
    found = scraped(client)
    assert {name for what, name in found if what == "herdsite_database_up"} == {"a", "b", "c"}
    assert found["herdsite_databases_left_out", ""] == 2
    assert {name for _what, name in scraped(client, "?database=e")} == {"", "e"}


def test_its_price_does_not_grow_with_the_herd(client) -> None:
    factories.resource(**felt(**FACTS))
    with CaptureQueriesContext(connection) as few:
        scraped(client)
    for _n in range(2):
        factories.resource(**felt(**FACTS))
    with CaptureQueriesContext(connection) as more:
        scraped(client)
    assert len(few) == len(more) and Resource.objects.count() == 3
