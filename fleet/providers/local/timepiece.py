"""The clock of a local host: this machine's, put off by so many seconds.

Only the host's own `date`, first in the PATH of its commands, knows the offset, as its own `df` knows its disk; its
`chronyc makestep` takes it away, as a real one does by asking its time servers. What that is not: PostgreSQL and the
kernel of the host still go by this machine's clock.
"""

import os
import shlex
from pathlib import Path

from fleet.providers.local import spawn
from fleet.providers.local.place import Place

DATE = """\
#!/bin/sh
# This machine's time, and what the host's clock is off by.
read -r off < {offset} || off=0
[ "$off" = 0 ] && exec /bin/date "$@"
exec /bin/date -d "$off seconds" "$@"
"""

CHRONYC = """\
#!/bin/sh
# The one command of chronyc that steps a clock to the right time.
[ "$1" = makestep ] || {{ echo "chronyc: on this host only makestep has an answer" >&2; exit 64; }}
echo 0 > {offset} && echo "200 OK"
"""


def skew(place: Place, seconds: float) -> None:
    """Put the host's clock so many seconds ahead, or behind where they are negative."""
    offset, account = _offset(place), spawn.owner()
    place.put(offset, f"{seconds:f}\n", 0o644)
    # The host mends its clock itself.
    os.chown(offset, account.pw_uid, account.pw_gid)
    for name, script in (("chronyc", CHRONYC), ("date", DATE)):
        place.put(_tool(place, name), script.format(offset=shlex.quote(str(offset))), 0o755)


def mend(place: Place) -> None:
    """The host's clock is this machine's again; nothing of its own tells it."""
    for path in (_tool(place, "date"), _tool(place, "chronyc"), _offset(place)):
        path.unlink(missing_ok=True)


def _tool(place: Place, name: str) -> Path:
    return place.home / "bin" / name


def _offset(place: Place) -> Path:
    """How far the clock is off, in seconds; the owner's to write."""
    return place.home / ".clock"
