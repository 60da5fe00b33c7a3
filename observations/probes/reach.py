"""A host over SSH: that it lets us in and runs a command, and how it is. Reads /proc and uses the base system's tools
only. `df` is the one of the host's PATH, because a local host has one of its own that knows its nominal disk."""

from collections.abc import Mapping

from fleet.disks import DISK
from observations.probes.base import Answer, lines

# What an operation of a disk is counted as (kB), and the least time over which a rate says anything (s).
OPERATION_KB, LEAST_S = 16, 1.0

FILLS = (
    *("ssh", "boot_id", "uptime_s", "clock_epoch", "clock_skew_s", "kernel", "os_release", "reboot_required"),
    *("load1", "load5", "load15", "cpus", "mem_total_kb", "mem_available_kb", "mem_cached_kb", "mem_used_pct"),
    *("swap_total_kb", "swap_free_kb", "disk_total_kb", "disk_used_kb", "disk_used_pct", "inodes_used_pct"),
    *("postmasters", "mem_free_kb", "disk_free_kb", "disk_read_kb", "disk_written_kb", "read_iops", "write_iops"),
    "postgres_memory",
)

SCRIPT = (
    DISK
    + r"""
echo "clock=$(date +%s.%N)"
echo "boot_id=$(cat "${BOOT_ID_FILE:-/proc/sys/kernel/random/boot_id}")"
read -r load1 load5 load15 rest < /proc/loadavg && printf 'load1=%s\nload5=%s\nload15=%s\n' $load1 $load5 $load15
read -r uptime rest < /proc/uptime && echo "uptime_s=$uptime"
echo "cpus=$(getconf _NPROCESSORS_ONLN)"
while read -r key kb rest; do
    case $key in
        MemTotal:) echo "mem_total_kb=$kb" ;;
        MemFree:) echo "mem_free_kb=$kb" ;;
        MemAvailable:) echo "mem_available_kb=$kb" ;;
        Cached:) echo "mem_cached_kb=$kb" ;;
        SwapTotal:) echo "swap_total_kb=$kb" ;;
        SwapFree:) echo "swap_free_kb=$kb" ;;
    esac
done < /proc/meminfo
disk_of "$home" && printf 'disk_total_kb=%s\ndisk_used_kb=%s\ndisk_free_kb=%s\n' $disk_total $disk_used $disk_free
stat -f -c 'inodes=%c
inodes_free=%d' "$home"
device=$(stat -c %d "$home")
while read -r major minor name reads merged sectors_read ms writes merged sectors_written rest; do
    [ $major -eq $((device >> 8 & 0xfff)) ] && [ $minor -eq $((device & 0xff | device >> 12 & 0xfff00)) ] &&
        printf 'disk_read_kb=%s\ndisk_written_kb=%s\n' $((sectors_read / 2)) $((sectors_written / 2))
done < /proc/diskstats
read -r release < /proc/sys/kernel/osrelease && echo "kernel=$release"
( . /etc/os-release && printf 'os_release=%s\n' "$PRETTY_NAME" )
[ -e /var/run/reboot-required ] && echo reboot_required=true || echo reboot_required=false
found='' memory=''
for file in "$home"/*/postmaster.pid "$home"/*/*/postmaster.pid "$home"/*/*/*/postmaster.pid; do
    { read -r pid < "$file"; } 2>/dev/null || continue
    [ "/proc/$pid/cwd" -ef "${file%/*}" ] || continue
    where=${file%/*}
    where=${where#"$home"/}
    found=$found${found:+,}$where
    # What its processes have for themselves, and once what they share, as far as the one that uses most of it sees it.
    children=$(cat "/proc/$pid/task/$pid/children") && [ "$children" ] || continue
    kb=$(cat $(printf '/proc/%s/status ' $pid $children) 2>/dev/null |
        awk '/^RssAnon:/ { own += $2 } /^RssShmem:/ { if ($2 > shared) shared = $2 } END { print own + shared }')
    memory=$memory${memory:+,}$where:$kb
done 2>/dev/null
echo "postmasters=$found"
echo "postgres_memory=$memory"
"""
)


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
        "read_iops": _per_second(answer, "disk_read_kb"),
        "write_iops": _per_second(answer, "disk_written_kb"),
        # A host on which nothing runs said so: that is known, and empty.
        "postmasters": said.get("postmasters"),
    }


def _per_second(answer: Answer, name: str) -> str | None:
    """Operations of OPERATION_KB since the look before, by the host's own clock; None when it rebooted meanwhile."""
    said, known = answer.said, {name: text for name, text in answer.subject.known.items() if text is not None}
    passed = _difference(said, known, "uptime_s")
    kb = _difference(said, known, name)
    if passed is None or passed < LEAST_S or kb is None or kb < 0 or said.get("boot_id") != known.get("boot_id"):
        return None
    return f"{kb / OPERATION_KB / passed:.3f}"


def _difference(said: Mapping[str, str], known: Mapping[str, str], name: str) -> float | None:
    now, before = _number(said, name), _number(known, name)
    return None if now is None or before is None else now - before


def _number(said: Mapping[str, str], name: str) -> float | None:
    try:
        return float(said[name])
    except (KeyError, ValueError):
        return None


def _share(part: float | None, whole: float | None) -> str | None:
    return None if part is None or not whole else f"{100 * part / whole:.1f}"
