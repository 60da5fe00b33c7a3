"""`python -m bench NAME`: a herdsite of its own, in var/bench, thrown away before and after."""

import argparse
import importlib
import json
import os
import shutil
import sys
from pathlib import Path

from fleet.providers.local import processes, spawn
from herdsite.embedded import Embedded
from herdsite.keys import make_keys

NAMES = {
    "beats": "full beats per second over the bare loop",
    "provision": "time to an available database over bare initdb + start + createdb",
    "follow": "time to an available follower of an empty database over bare pg_basebackup + start",
    "restore": "time to a restored database over bare copy + replay; how old the last archived WAL gets under load",
    "faults": "what becomes of every kind of fault: mended, or one page",
    "api": "the list of 100 out of 10,000 databases, and 50 provisions at once, over HTTP",
    "failover": "a leader lost under write load: how long nobody can write, and what is lost",
    "switchover": "a leader that hands over under write load: how long nobody can write",
    "chaos": "faults at random, for as long as asked, to a database that may lose nothing",
    "attack": "attacks on the web server and the pages, by a stranger: how many were tried, and how many got in",
    "simulate": "interleavings of a simulated herd: which break what must hold, and whether a missing rule is noticed",
}
# What a benchmark takes besides --quick.
TAKES = {
    "faults": ("only",),
    "failover": ("runs",),
    "switchover": ("runs",),
    "chaos": ("minutes", "seed"),
    "restore": ("mb",),
    "simulate": ("seeds", "seed", "mutants", "cases", "first"),
}
VAR = Path(__file__).resolve().parent.parent / "var" / "bench"


def main() -> None:
    parser = argparse.ArgumentParser(prog="bin/bench", description=__doc__)
    parser.add_argument("name", choices=NAMES, help="; ".join(f"{name}: {what}" for name, what in NAMES.items()))
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs: to see that it works")
    parser.add_argument("--runs", type=int, default=5, help="of failover and switchover (default %(default)s)")
    parser.add_argument("--minutes", type=float, default=5, help="of chaos (default %(default)g)")
    parser.add_argument("--seed", type=int, default=1, help="of chaos, simulate: the same faults in the same order")
    parser.add_argument("--seeds", type=int, default=1000, help="of simulate: how many (default %(default)s)")
    parser.add_argument("--mutants", type=int, default=300, help="of simulate: seeds for each rule switched off")
    parser.add_argument("--cases", type=int, default=0, help="of simulate: so many counted through, not drawn")
    parser.add_argument("--first", type=int, default=0, help="of simulate: the number of the first of these cases")
    parser.add_argument("--mb", type=int, default=1000, help="of restore: the database's size (default %(default)s)")
    parser.add_argument("--only", default="", help="of faults: parts of the kinds' names, with commas between them")
    parser.add_argument("--keep", action="store_true", help="leave var/bench behind")
    options = parser.parse_args()
    spawn.ensure_owner()
    embedded = Embedded(VAR)
    wipe(embedded)
    make_keys(VAR)
    os.environ.update(
        HERDSITE_VAR=str(VAR),
        HERDSITE_LOG_LEVEL="WARNING",
        DATABASE_URL=embedded.start(),
        DJANGO_SETTINGS_MODULE="herdsite.settings",
    )
    try:
        figures = importlib.import_module("bench.setup").ready(
            options.name, options.quick, **{name: getattr(options, name) for name in TAKES.get(options.name, ())}
        )
        print(json.dumps(figures))
    finally:
        if not options.keep:
            wipe(embedded)


def wipe(embedded: Embedded) -> None:
    """End what an earlier run may have left, and remove it."""
    for folder in (VAR, spawn.land(VAR / "hosts"), spawn.land(VAR / "raw")):
        if folder.exists():
            processes.kill(folder / "hosts" if folder == VAR else folder)
    embedded.stop()
    for folder in {VAR, spawn.land(VAR / "hosts"), spawn.land(VAR / "raw"), spawn.land(VAR / "postgres")}:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
