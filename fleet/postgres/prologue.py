"""What comes before every script that changes something on a host: one lock, and a look whether the order that it bears
(fleet/orders.py) still counts. POSIX sh.

What a host has taken lies beside its data, where it stays when a data directory is replaced: DATA.orders, and the lock
DATA.lock. The former is a symbolic link, like the fence mark: a link needs no block of a disk that is full, and comes
into being in one move.
"""

# The codes with which a script ends that does nothing: the order is too late, or the host has taken a newer one.
LATE, SUPERSEDED = 75, 76

# Expects BIN DATA ORDER in front of the script's own arguments, and leaves BIN DATA. What waits lets the lock go first,
# and whatever replaces, starts or stops the live cluster afterwards takes it and heeds once more: who waited may have
# been overtaken. Nothing that stays may inherit the lock's descriptor.
PROLOGUE = f"""
order() {{ plane=$1 reign=$2 epoch=$3 boot=$4 limit=$5; }}
order $3
shift 3
set -- "$bin" "$data" "$@"

lock() {{
    [ -d "${{data%/*}}" ] || mkdir -p "${{data%/*}}"
    exec 9> "$data.lock"
    flock 9
}}
unlock() {{ exec 9>&-; }}

in_time() {{
    [ "$boot" != - ] || return 0
    read -r run < "${{BOOT_ID_FILE:-/proc/sys/kernel/random/boot_id}}"
    read -r up rest < /proc/uptime
    if [ "$run" != "$boot" ] || [ "${{up%.*}}" -ge "$limit" ]; then
        echo "too late: this order was for $boot until $limit s, the host is $run at $up s" >&2
        exit {LATE}
    fi
}}

refuse() {{
    echo "$1" >&2
    exit {SUPERSEDED}
}}
not_older() {{
    [ "$1" = "$plane" ] || refuse "this host takes its orders from another herdsite: $1"
    [ "$2" -le "$reign" ] || refuse "this host takes its orders from a later start of herdsite: $2, this one is $reign"
    [ "$3" -le "$epoch" ] || refuse "this order's epoch is $epoch, the host has taken $3"
}}
heed() {{
    had=$(readlink "$data.orders") || had=
    [ "$had" != "$plane $reign $epoch" ] || return 0
    [ -z "$had" ] || not_older $had
    ln -sfnT -- "$plane $reign $epoch" "$data.orders"
}}

fenced() {{ [ -L "$data/herdsite.fenced" ] || [ -e "$data/herdsite.fenced" ]; }}
fence() {{ ln -sfnT -- "$1" "$data/herdsite.fenced"; }}

lock
in_time
heed
"""

# The same for who begins a job: an order that is refused leaves no job behind, whose name another has need of.
GUARD = "bin=$1 data=$2\n" + PROLOGUE

# Prints the host's clock, by which an order says until when it may begin.
ANCHOR = """
read -r run < "${BOOT_ID_FILE:-/proc/sys/kernel/random/boot_id}"
read -r up rest < /proc/uptime
echo "boot_id=$run"
echo "uptime_s=$up"
"""

# An order that was held up on its way must not undo a later one: the file says which it is of.
NEWER = """
told() { sed -n "s/^herdsite.$1 = '\\([0-9]*\\)'.*/\\1/p" "$2" 2> /dev/null | tail -n 1; }
newer() {
    for one in generation serial; do
        had=$(told $one "$data/herdsite.conf")
        has=$(told $one "$data.files/herdsite.conf")
        if [ "${had:-0}" -gt "${has:-0}" ]; then
            echo "this order's $one is ${has:-0}, it has taken ${had:-0}" >&2
            exit 3
        fi
        [ "${had:-0}" -eq "${has:-0}" ] || break
    done
}
"""
