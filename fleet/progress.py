"""How far long work on a host is: what its job says in its log, what a look makes of that, and the words that people
read. A size that nobody knows is said to be unknown, and what depends on it is left out."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.template.defaultfilters import filesizeformat

FILLS = ("taken_what", "taken_bytes", "taken_of", "taken_s", "taken_at")

# For the scripts of jobs. `far WHAT [BYTES [FILE]]` says what begins, how much it is to be ("" for unknown), and which
# file grows by it. What is dearer to find out is said every second or so by a process beside the job, because a look
# has no time to count a large folder: `watch size FOLDER`, or another command that prints bytes, then `unwatch`. It
# ends with the job, whatever becomes of that.
SAYING = """
far() {
    echo "far=$1 $(date +%s || true) ${2:-0} ${3:-}"
}
size() {
    du -sb "$1" | cut -f 1
}
watch() {
    (
        pause=1
        while sleep "$pause" > /dev/null 2>&1 && kill -0 $$ 2> /dev/null; do
            since=$(date +%s)
            sent=$("$@" 2> /dev/null) || sent=''
            now=$(date +%s)
            echo "sent=$sent"
            pause=$((1 + 10 * (now - since)))
        done
    ) < /dev/null &
    watcher=$!
}
unwatch() {
    kill "$watcher" 2> /dev/null || true
    wait "$watcher" 2> /dev/null || true
}
"""

# Prints what FILLS names, as far as it is known. Expects the variables `home` and `job`. How far replay is stands in
# the title of PostgreSQL's startup process, also while nobody can connect yet. It goes on in a folder, its cluster's.
LOOK = r"""
log=$home/jobs/$job/log
far=$([ -z "$job" ] || grep '^far=' "$log" 2> /dev/null | tail -n 1)
if [ -n "$far" ]; then
    read -r what since of path <<FAR
${far#far=}
FAR
    printf 'taken_what=%s\ntaken_s=%s\n' "$what" $(($(date +%s) - since))
    if [ -d "$path" ]; then
        { read -r pid < "$path/postmaster.pid"; } 2> /dev/null || pid=none
        for child in $(cat "/proc/$pid/task/$pid/children" 2> /dev/null); do
            tr '\0' ' ' 2> /dev/null < "/proc/$child/cmdline" |
                sed -n 's/.*startup [a-z ]* \([0-9A-F]\{24\}\).*/taken_at=\1/p'
        done
    elif [ -n "$path" ]; then
        stat -c taken_bytes=%s "$path" 2> /dev/null
    else
        tail -n 20 "$log" | awk -v of="$of" '
            /^far=/ { bytes = "" }
            /^sent=[0-9]/ { bytes = substr($0, 6) }
            /^ *[0-9]+\/ *[0-9]+ kB \(/ {
                split($0, part, "/")
                bytes = sprintf("%.0f", part[1] * 1024)
                of = sprintf("%.0f", part[2] * 1024)
            }
            END {
                if (bytes != "") print "taken_bytes=" bytes
                if (of != "0") print "taken_of=" of
            }'
        of=0
    fi
    [ "$of" = 0 ] || echo "taken_of=$of"
fi
"""
# What LOOK and pg_basebackup say of it in a log is nothing that went wrong.
NOISE = r"^far=\|^sent=\|^ *[0-9]*/ *[0-9]* kB (\|^waiting for checkpoint\|^will=\|^left=\|^obstacle="


@dataclass(frozen=True)
class Progress:
    """`what` is done: copying, replaying, …. Sizes in bytes, `rate` in bytes a second since that began, `left_s` the
    seconds that the rest should take, `since_s` the seconds so far; None where it is not known. `at` is the segment of
    WAL that is being replayed."""

    what: str
    bytes: int | None = None
    of_bytes: int | None = None
    rate: float | None = None
    left_s: float | None = None
    since_s: float | None = None
    at: str = ""

    @property
    def share(self) -> float | None:
        """How much of it is there, from 0 to 1."""
        return None if not self.of_bytes or self.bytes is None else self.bytes / self.of_bytes

    def told(self) -> dict[str, Any]:
        """As data, with the `text` that people read."""
        return asdict(self) | {"text": words(self)}


def read(facts: Mapping[str, str | None], foreseen: int | None = None) -> Progress | None:
    """As the last look had it; None when it saw nothing of the kind. `foreseen` is the size that is expected where the
    job does not know it. One that was outgrown is no size to go by."""
    what = facts.get("taken_what")
    if not what:
        return None
    taken, since_s = facts.get("taken_bytes"), float(facts.get("taken_s") or 0)
    if taken is None:
        return Progress(what, of_bytes=_whole(facts.get("taken_of")), since_s=since_s, at=facts.get("taken_at") or "")
    size = int(taken)
    of_bytes = _whole(facts.get("taken_of")) or foreseen or None
    if of_bytes is not None and size > of_bytes:
        of_bytes = None
    rate = size / since_s if size and since_s > 0 else None
    left_s = (of_bytes - size) / rate if of_bytes and rate else None
    return Progress(what, size, of_bytes, rate, left_s, since_s)


def words(far: Progress) -> str:
    """`copying 12 MB of 40 MB, 3 MB/s, 9 s left`; `copying 40 MB, for 1 s` before anything is known of its size so far;
    `replaying 000000010000000000000007, for 4 s`."""
    if far.bytes is None:
        whole = human(far.of_bytes) if far.of_bytes else far.at
        return ", ".join(filter(None, (f"{far.what} {whole}".strip(), _for(far.since_s))))
    whole = human(far.of_bytes) if far.of_bytes else "an unknown total"
    return ", ".join(
        filter(
            None,
            (
                f"{far.what} {human(far.bytes)} of {whole}".strip(),
                f"{human(far.rate)}/s" if far.rate else "",
                f"{duration(far.left_s)} left" if far.left_s is not None else "",
            ),
        )
    )


def human(size: float) -> str:
    """A number of bytes as people read it."""
    return filesizeformat(size).replace("\xa0", " ")


def duration(seconds: float) -> str:
    """Seconds as people read them: `90 s`, `35 min`, `5 h 10 min`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def _for(seconds: float | None) -> str:
    return f"for {duration(seconds)}" if seconds is not None else ""


def _whole(text: str | None) -> int | None:
    return int(text) if text else None
