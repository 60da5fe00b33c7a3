"""An instance from its host's side, over SSH: what PostgreSQL can't tell while it does not answer. Whether a postmaster
runs, whether there is a cluster at all, which run of the host this is, and how, and how far, the detached job is."""

from fleet import progress
from fleet.jobs import LOOK

FILLS = ("ssh", "boot_id", "uptime_s", "host_epoch", "postmaster", "data_dir", "job", "job_why", *progress.FILLS)

# A postmaster is a living process that postmaster.pid names and that works in the data directory; its pid alone might
# by now be another process's.
SCRIPT = (
    r"""
echo ssh=true
echo "boot_id=$(cat "${BOOT_ID_FILE:-/proc/sys/kernel/random/boot_id}")"
read -r up rest < /proc/uptime
echo "uptime_s=$up"
taken=$(readlink "$data.orders") && echo "host_epoch=${taken##* }"
[ -e "$data/PG_VERSION" ] && echo data_dir=true || echo data_dir=false
pid=
{ read -r pid < "$data/postmaster.pid"; } 2>/dev/null
[ -n "$pid" ] && [ "/proc/$pid/cwd" -ef "$data" ] && echo postmaster=true || echo postmaster=false
"""
    + LOOK
    + progress.LOOK
)
