"""A host over SSH: that it lets us in and runs a command, and how it is. Reads /proc and uses the base system's tools
only. `df` is the one of the host's PATH, because a local host has one of its own that knows its nominal disk."""

from collections.abc import Mapping

from observations.probes.base import Answer, lines

FILLS = (
    *("ssh", "boot_id", "uptime_s", "clock_epoch", "clock_skew_s", "kernel", "os_release", "reboot_required"),
    *("load1", "load5", "load15", "cpus", "mem_total_kb", "mem_available_kb", "mem_cached_kb", "mem_used_pct"),
    *("swap_total_kb", "swap_free_kb", "disk_total_kb", "disk_used_kb", "disk_used_pct", "inodes_used_pct"),
    "postmasters",
)

SCRIPT = r"""
echo "clock=$(date +%s.%N)"
echo "boot_id=$(cat "${BOOT_ID_FILE:-/proc/sys/kernel/random/boot_id}")"
read -r load1 load5 load15 rest < /proc/loadavg && printf 'load1=%s\nload5=%s\nload15=%s\n' $load1 $load5 $load15
read -r uptime rest < /proc/uptime && echo "uptime_s=$uptime"
echo "cpus=$(getconf _NPROCESSORS_ONLN)"
while read -r key kb rest; do
    case $key in
        MemTotal:) echo "mem_total_kb=$kb" ;;
        MemAvailable:) echo "mem_available_kb=$kb" ;;
        Cached:) echo "mem_cached_kb=$kb" ;;
        SwapTotal:) echo "swap_total_kb=$kb" ;;
        SwapFree:) echo "swap_free_kb=$kb" ;;
    esac
done < /proc/meminfo
df -Pk "$home" | while read -r device total used free rest; do
    [ "$device" = Filesystem ] || printf 'disk_total_kb=%s\ndisk_used_kb=%s\ndisk_free_kb=%s\n' $total $used $free
done
stat -f -c 'inodes=%c
inodes_free=%d' "$home"
read -r release < /proc/sys/kernel/osrelease && echo "kernel=$release"
( . /etc/os-release && printf 'os_release=%s\n' "$PRETTY_NAME" )
[ -e /var/run/reboot-required ] && echo reboot_required=true || echo reboot_required=false
found=
for file in "$home"/*/postmaster.pid "$home"/*/*/postmaster.pid "$home"/*/*/*/postmaster.pid; do
    { read -r pid < "$file"; } 2>/dev/null || continue
    [ "/proc/$pid/cwd" -ef "${file%/*}" ] || continue
    where=${file%/*}
    found=$found${found:+,}${where#"$home"/}
done
echo "postmasters=$found"
"""


def read(answer: Answer) -> dict[str, str | None]:
    """What the host said, and what follows: shares in per cent, and by how much its clock is ahead of ours (s)."""
    said = answer.said
    used, free = _number(said, "disk_used_kb"), _number(said, "disk_free_kb")
    total, available = _number(said, "mem_total_kb"), _number(said, "mem_available_kb")
    inodes, inodes_free = _number(said, "inodes"), _number(said, "inodes_free")
    clock = _number(said, "clock")
    return lines(answer) | {
        "ssh": "true",
        "clock_epoch": None if clock is None else f"{clock:.3f}",
        "clock_skew_s": None if clock is None else f"{clock - answer.asked_at - answer.took_s / 2:.3f}",
        "disk_used_pct": _share(used, None if used is None or free is None else used + free),
        "mem_used_pct": _share(None if total is None or available is None else total - available, total),
        "inodes_used_pct": _share(None if inodes is None or inodes_free is None else inodes - inodes_free, inodes),
        # A host on which nothing runs said so: that is known, and empty.
        "postmasters": said.get("postmasters"),
    }


def _number(said: Mapping[str, str], name: str) -> float | None:
    try:
        return float(said[name])
    except (KeyError, ValueError):
        return None


def _share(part: float | None, whole: float | None) -> str | None:
    return None if part is None or not whole else f"{100 * part / whole:.1f}"
