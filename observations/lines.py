"""The metrics line of one database: what was felt of it, of the instance beneath and of the server beneath that, as a
line that l2met and its like take in. Pure. What isn't known is left out and never written as 0.

`sample#` is a gauge whose last value counts; a unit follows its number.
"""

from collections.abc import Mapping
from typing import Any

from observations import logfmt

Facts = Mapping[str, Any]
KB = 1024


def line(source: str, addon: str, resource: Facts, instance: Facts, server: Facts, leader: Facts | None = None) -> str:
    """The line of a database of which these facts are known, each typed as fleet/facts.py has them, a name that is not
    there being not known. `source` tells emitters apart, `addon` names the database. `leader` are the facts of the
    instance that a follower follows, None for what follows nobody. `server` has `postgres_kb` for this instance."""
    values = {
        "current_transaction": _whole(_first("transaction_id", instance, resource)),
        "db_size": _whole(resource.get("db_size_bytes"), "bytes"),
        "tables": _whole(resource.get("tables")),
        # Connections that there are, whether they run a statement or not: what their limit is held against.
        "active-connections": _whole(resource.get("connections")),
        "waiting-connections": _whole(resource.get("blocked")),
        "index-cache-hit-rate": _ratio(resource.get("index_hit_pct")),
        "table-cache-hit-rate": _ratio(resource.get("table_hit_pct")),
        "load-avg-1m": _load(server, "load1"),
        "load-avg-5m": _load(server, "load5"),
        "load-avg-15m": _load(server, "load15"),
        "read-iops": _number(server.get("read_iops"), 3),
        "write-iops": _number(server.get("write_iops"), 3),
        "tmp-disk-used": _bytes(server.get("disk_used_kb")),
        "tmp-disk-available": _bytes(server.get("disk_free_kb")),
        "memory-total": _whole(server.get("mem_total_kb"), "kB"),
        "memory-free": _whole(server.get("mem_free_kb"), "kB"),
        "memory-cached": _whole(server.get("mem_cached_kb"), "kB"),
        "memory-postgres": _whole(server.get("postgres_kb"), "kB"),
        "follower-lag-commits": None if leader is None else _whole(behind(instance, leader)),
        "wal-percentage-used": _share(instance.get("wal_used_pct")),
    }
    samples = [(f"sample#{name}", text) for name, text in values.items() if text is not None]
    return logfmt.write([("source", source), ("addon", addon), *samples])


def behind(follower: Facts, leader: Facts) -> int | None:
    """By how many transactions a follower is behind its leader. Both were looked at in the same minute and not at the
    same moment: a follower that had replayed all it had received is taken to be behind by none."""
    if follower.get("receiver") == "streaming" and follower.get("replay_lag_s") == 0:
        return 0
    ours, theirs = follower.get("transaction_id"), leader.get("transaction_id")
    return None if ours is None or theirs is None else max(0, theirs - ours)


def _first(name: str, *several: Facts) -> Any:
    return next((facts[name] for facts in several if facts.get(name) is not None), None)


def _whole(value: int | None, unit: str = "") -> str | None:
    return None if value is None else f"{value:d}{unit}"


def _bytes(kb: int | None) -> str | None:
    return None if kb is None else str(kb * KB)


def _number(value: float | None, decimals: int) -> str | None:
    """Without zeros at the end: 0.39, 2.597, 0."""
    if value is None:
        return None
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _ratio(percent: float | None) -> str | None:
    return None if percent is None else f"{percent / 100:.5f}"


def _share(percent: float | None) -> str | None:
    return None if percent is None else _number(min(max(percent / 100, 0.0), 1.0), 4)


def _load(server: Facts, name: str) -> str | None:
    load, cpus = server.get(name), server.get("cpus")
    return None if load is None or not cpus else _number(load / cpus, 3)
