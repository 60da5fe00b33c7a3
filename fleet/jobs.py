"""Detached work on a host: start it, look at it in later beats, clean it away.

Nobody waits for what takes longer than a couple of seconds: it runs in a session of its own, out of reach of the
connection that began it. All that is known of a job lies in HOME/jobs/JOB, a folder that comes into being in one
move and complete, so a start that is repeated, doubled or cut off half-way never makes a job run twice.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from fleet.progress import NOISE
from fleet.transports.base import Shell, checked

NONE, RUNNING, DONE, FAILED, LOST = "none", "running", "done", "failed", "lost"

# When the kernel started process $1, in ticks since the boot; nothing when there is none or only its zombie is left.
# A pid alone may belong to another process by now, a pid with its start can not.
_STARTED = """
started() {
    { read -r stat < "/proc/$1/stat"; } 2>/dev/null || return 1
    set -- ${stat##*) }
    [ "$1" != Z ] && echo "${20}"
}
"""

# Runs as the leader of a session of its own. Moving the folder to its final name is the guard: mv -T fails on a
# folder that is there. File descriptor 3 stays open until then, so `_START` returns when it is decided. What came on
# stdin may be secret: its file has no name any more when the script begins.
_RUN = (
    _STARTED
    + """
trap '' HUP
new=$1 dir=$2
shift 2
echo "$$ $(started $$)" > "$new/pid"
mv -T "$new" "$dir" || { rm -rf "$new"; exit 0; }
exec 3>&-
{ rm -f "$dir/stdin"; sh "$dir/script" "$@"; } < "$dir/stdin" > "$dir/log" 2>&1
echo $? > "$dir/code.new" && mv "$dir/code.new" "$dir/code"
"""
)

_START = """
set -eu
umask 077
home=$1 job=$2 run=$3 script=$4
shift 4
cd "$home"
mkdir -p jobs
[ ! -e "jobs/$job" ] || exit 0
@guard@
new=$(mktemp -d "jobs/.$job.XXXXXX")
trap 'rm -rf "$new"' EXIT
cat > "$new/stdin"
printf '%s\\n' "$script" > "$new/script"
decided=$(setsid sh -c "$run" herdsite "$new" "jobs/$job" "$@" 3>&1 > /dev/null 2>&1 < /dev/null &)
[ -d "jobs/$job" ] || { echo "job $job did not begin" >&2; exit 1; }
"""

# Prints job= and, when it went wrong, job_why=. Expects the variables `home` and `job`. Whether it runs is asked
# before whether it ended, so a job that ends between the two questions is never called lost.
LOOK = (
    _STARTED
    + f"noise='{NOISE}'"
    + """
dir=$home/jobs/$job
if [ -z "$job" ] || [ ! -d "$dir" ]; then
    echo job=none
else
    pid='' since='' code=''
    read -r pid since < "$dir/pid"
    runs=$(started "$pid")
    [ -r "$dir/code" ] && read -r code < "$dir/code"
    if [ "$code" = 0 ]; then echo job=done
    elif [ -z "$code" ] && [ "$runs" = "$since" ]; then echo job=running
    else
        [ -n "$code" ] && echo job=failed || echo job=lost
        printf 'job_why=%s\\n' "$(grep -av "$noise" "$dir/log" | tail -n 3 | tr '[:cntrl:]' ' ' | tail -c 300)"
    fi
fi
"""
)

# A job that still runs is killed with all that it started and that stayed in its process group, and waited for: what
# it was writing may be removed next. The folder gives up its name before its content, so nobody ever sees half a job.
# A process that is gone already, which is what a job that failed leaves, is no error: other scripts go on with this.
CLEAN = (
    "set -eu\n"
    + _STARTED
    + """
survivors() {
    for stat in /proc/[0-9]*/stat; do
        { read -r line < "$stat"; } 2>/dev/null || continue
        set -- ${line##*) }
        [ "$3" = "$pid" ] && [ "$1" != Z ] && return 0
    done
    return 1
}
home=$1 job=$2 pid=
dir=$home/jobs/$job
[ ! -r "$dir/pid" ] || read -r pid since < "$dir/pid"
if [ -n "$pid" ]; then
    now=$(started "$pid") || now=
    if [ -z "$now" ] || [ "$now" = "$since" ]; then
        kill -9 "-$pid" 2>/dev/null || true
        tries=50
        while [ "$tries" -gt 0 ] && survivors; do sleep 0.02; tries=$((tries - 1)); done
    fi
fi
[ ! -d "$dir" ] || mv -T "$dir" "$home/jobs/.$job.gone.$$"
rm -rf "$home/jobs/.$job."*
"""
)


@dataclass(frozen=True)
class Look:
    """What a job came to: `job` is one of none, running, done, failed, lost (its process is gone without an exit
    code, because the host was rebooted, say); `why` the last lines of a failed or lost job's output, on one line."""

    job: str
    why: str = ""


def start(
    shell: Shell,
    home: str,
    job: str,
    script: str,
    args: Sequence[str] = (),
    stdin: bytes = b"",
    secrets: Sequence[str] = (),
    guard: str = "",
) -> None:
    """Begin to run `script` (POSIX sh, its arguments in "$1"…, its stdin `stdin`) in `home`, and return at once.

    Does nothing when there is a job of that name, in whatever state. `guard` is a script that gets the same arguments
    first: when it fails, no job begins. Raises CommandFailed then, and when the host could not start the job (its disk
    is full, say), ValueError for a name that is not of a-z, 0-9 and "-".
    """
    begin = _START.replace("@guard@", f"({guard}\n)" if guard else "")
    argv = ["sh", "-c", begin, "herdsite", home, valid(job), _RUN, script, *args]
    checked(argv, shell.run(argv, stdin=stdin, secrets=secrets))


def look(shell: Shell, home: str, job: str) -> Look:
    """How the job is. Raises CommandFailed when the host could not tell."""
    argv = ["sh", "-c", "home=$1 job=$2\n" + LOOK, "herdsite", home, valid(job)]
    said = dict(line.split("=", 1) for line in checked(argv, shell.run(argv)).out.split("\n") if line)
    return Look(said["job"], said.get("job_why", ""))


def clean(shell: Shell, home: str, job: str) -> None:
    """Forget the job, and kill it first if it runs. Does nothing when there is none; raises CommandFailed."""
    argv = ["sh", "-c", CLEAN, "herdsite", home, valid(job)]
    checked(argv, shell.run(argv))


def valid(job: str) -> str:
    """The name of a job; ValueError for what is none."""
    if not re.fullmatch(r"[a-z0-9-]+", job):
        raise ValueError(f"{job!r} is not the name of a job: a-z, 0-9 and - only")
    return job
