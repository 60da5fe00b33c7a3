"""Scripts that end a tenant's sessions from its host. Where one tenant holds all locks nobody can log in, and no SQL
ends anybody; the host still knows each session's process, by the title that PostgreSQL gives it. POSIX sh.

Arguments: BIN DATA ORDER DATABASE OWNER. What ends sessions prints ended=NUMBER.
"""

from fleet.postgres.scripts import ORDERED

_SESSIONS = """
database=$3 owner=$4 ended=0
running || { echo "no postmaster runs on $data" >&2; exit 1; }

# The postmaster's children whose title says that they serve the owner in the database.
sessions() {
    titles=
    for child in $(cat "/proc/$pid/task/$pid/children"); do titles="$titles /proc/$child/cmdline"; done
    grep -laF ": $owner $database " $titles 2> /dev/null | cut -d / -f 3
}

# SIGTERM is what pg_terminate_backend sends. What has ended meanwhile is passed over.
end_sessions() {
    for session in $(sessions); do
        ! kill "$session" 2> /dev/null || ended=$((ended + 1)) gone="${gone:-} $session"
    done
}

# A session lets its locks go as it ends.
see_them_out() {
    tries=0
    for session in ${gone:-}; do
        while [ -e "/proc/$session/exe" ] && [ "$tries" -lt 50 ]; do
            sleep 0.1
            tries=$((tries + 1))
        done
    done
}
"""

END_SESSIONS = (
    ORDERED
    + _SESSIONS
    + """
end_sessions
unlock
see_them_out
echo "ended=$ended"
"""
)

# A line in pg_hba.conf keeps the owner out before a login takes a lock, and needs none to be put there.
_RULE = """
rule="host all \\"$owner\\" all reject"
hba=$data/pg_hba.conf
rm -f "$hba.new"
"""

# The postmaster reads the file soon after: who has come in meanwhile is ended too.
SUSPEND = (
    ORDERED
    + _SESSIONS
    + _RULE
    + """
grep -qxF "$rule" "$hba" || {
    { echo "$rule"; cat "$hba"; } > "$hba.new"
    mv "$hba.new" "$hba"
}
kill -HUP "$pid"
# A fence must not wait for sessions that are slow to end.
unlock
left=30
while :; do
    end_sessions
    see_them_out
    sleep 0.1
    others=$(sessions)
    [ -n "$others" ] || break
    left=$((left - 1))
    [ "$left" -gt 0 ] || { echo "sessions of $owner go on" >&2; exit 1; }
done
echo "ended=$ended"
"""
)

LIFT = (
    ORDERED
    + _SESSIONS
    + _RULE
    + """
grep -vxF "$rule" "$hba" > "$hba.new"
mv "$hba.new" "$hba"
kill -HUP "$pid"
"""
)
