"""Good signs and since when there was none: what is well is said so by a fact that is young. Pure.

They outlive the look that found them: each is an attribute of its own, an epoch (s) as text.
"""

from collections.abc import Mapping
from typing import Any

Signs = dict[str, str | None]


def of_instance(before: Mapping[str, str | None], look: Mapping[str, Any], now: float) -> Signs:
    """`heard_at`: when it last heard from its leader over a stream. `fed_at`: when that, or a replay that went on, was
    last so; from its first look on. `look` has what this look alone found, `now` is when it began."""
    heard = look.get("heard_s")
    signs: Signs = {"heard_at": before.get("heard_at") if heard is None else f"{now - heard:.3f}"}
    goes_on = look.get("in_recovery") is True and look.get("lsn") not in (None, before.get("lsn"))
    good = heard is not None or goes_on or before.get("fed_at") is None
    return signs | {"fed_at": f"{now:.3f}" if good else before.get("fed_at")}


def of_resource(before: Mapping[str, str | None], may_lose: Any, now: float) -> Signs:
    """`unsafe_at`: since when a failover could lose what was acknowledged, though its plan promises a standby."""
    return {"unsafe_at": None if may_lose is not True else before.get("unsafe_at") or f"{now:.3f}"}


def facts(signs: Mapping[str, str | None], now: float) -> dict[str, float]:
    """How long ago each was, by the name of the fact; what is not unsafe has been so for no time at all."""
    names = (("fed_at", "unfed_s"), ("unsafe_at", "unsafe_s"))
    found = {fact: max(0.0, now - float(at)) for name, fact in names if (at := signs.get(name))}
    return {"unsafe_s": 0.0} | found if "unsafe_at" in signs else found
