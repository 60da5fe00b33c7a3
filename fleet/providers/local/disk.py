"""The nominal disk of a local host: how full it says it is, and what being full does to those who write.

Hosts share this machine's disk, so each has its own `df`, first in the PATH of its commands, which answers from the
host's nominal size and from what lies in its home. A full disk is a ballast file as long as the disk is big (sparse:
the real one is not harmed) and a limit of 0 on the size of files, which ends when the disk grows. The limit makes every
write to a file fail, also one into a part that is there already, which a real full disk would let through; and the
error is "File too large" (XX000 in PostgreSQL), not "No space left on device" (53100).
"""

import resource
import shlex
from pathlib import Path

from fleet.providers.local import spawn

DF = """\
#!/bin/sh
# What df says on a machine whose only disk is this home.
home={home}
size={size}
case "$1 $2" in
    "-Pk "* | "-kP "* | "-k --output=size,used,avail") ;;
    *) echo "df: on this host only df -Pk and df -k --output=size,used,avail have an answer" >&2; exit 64 ;;
esac
used=$(du -sk --apparent-size "$home" 2>/dev/null | cut -f1)
[ "$used" -gt "$size" ] && used=$size
[ "$1" != -k ] || {{ echo "1K-blocks Used Avail"; echo "$size $used $((size - used))"; exit; }}
echo "Filesystem 1024-blocks Used Available Capacity Mounted on"
echo "local $size $used $((size - used)) $(((used * 100 + size - 1) / size))% $home"
"""


def df(home: Path, disk_mb: int) -> str:
    """The script that is a host's df."""
    return DF.format(home=shlex.quote(str(home)), size=disk_mb * 1024)


def limit(pid: int, full: bool) -> None:
    """Let the process `pid` (0 is ourselves) write no file at all, or again as much as it may.

    Only the soft limit moves, so that it can be raised again without privilege. ProcessLookupError says that there is
    no such process, OSError or RuntimeError that we may not limit it.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    soft = 0 if full else hard
    try:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))
    except PermissionError:
        # In a container, root may not limit the processes of others (CAP_SYS_RESOURCE); their owner always may.
        _limit_as_owner(pid, "unlimited" if soft == resource.RLIM_INFINITY else str(soft))


def _limit_as_owner(pid: int, soft: str) -> None:
    try:
        spawn.call(["prlimit", f"--pid={pid}", f"--fsize={soft}:"], drop=True)
    except RuntimeError as error:
        if "No such process" in str(error):
            raise ProcessLookupError(str(error)) from error
        raise
