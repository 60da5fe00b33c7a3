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
    "faults": "what becomes of every kind of fault: mended, or one page",
}
VAR = Path(__file__).resolve().parent.parent / "var" / "bench"


def main() -> None:
    parser = argparse.ArgumentParser(prog="bin/bench", description=__doc__)
    parser.add_argument("name", choices=NAMES, help="; ".join(f"{name}: {what}" for name, what in NAMES.items()))
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs: to see that it works")
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
        figures = importlib.import_module("bench.setup").ready(options.name, options.quick)
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
