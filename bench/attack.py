"""`attack`: everything in bench/attacks against `manage.py up --empty`: how many were tried, which got in."""

from typing import Any

from bench.api import PORT, herdsite
from bench.attacks import edge, web
from bench.attacks.site import Site
from bench.setup import say

ATTACKS = (*edge.ATTACKS, *web.ATTACKS)


def measure(quick: bool) -> dict[str, Any]:
    del quick  # there is nothing to leave out
    got_in = {}
    with herdsite():
        site = Site("127.0.0.1", PORT)
        for attack in ATTACKS:
            name = attack.__name__.replace("_", " ")
            try:
                said = attack(site)
            except OSError as error:
                said = f"the site does not answer: {error}"
            say(f"{name}: {said or 'held'}")
            if said:
                got_in[name] = said
    return {"tried": len(ATTACKS), "got_in": len(got_in), "how": got_in}
