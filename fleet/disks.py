"""How much room a file system has, as a host says it. POSIX sh.

Columns are asked for by name and hold nothing but numbers: a device or a mount point with a space in its name, a line
that is broken after a long one, or headings in another language can't move them.
"""

# `disk_of PATH` sets `disk_total`, `disk_used` and `disk_free` (kB), or fails. df first: a local host has one of
# its own that knows its nominal disk. One that knows no columns by name is read around its percentage, wherever that
# stands; where there is none either, stat tells the same of the file system.
DISK = """
disk_of() {
    disk_said=$(LC_ALL=C df -k --output=size,used,avail -- "$1" 2> /dev/null | tail -n 1)
    case $disk_said in
        '' | *[!0-9\\ ]*)
            disk_said=$(LC_ALL=C df -Pk "$1" 2> /dev/null | tail -n 1 |
                sed -nE 's/.* ([0-9]+) +([0-9]+) +([0-9]+) +[0-9]+% .*/\\1 \\2 \\3/p') ;;
    esac
    if [ -n "$disk_said" ]; then
        set -- $disk_said
    else
        disk_said=$(LC_ALL=C stat -f -c '%S %b %f %a' -- "$1") || return 1
        set -- $disk_said
        set -- $(($2 * $1 / 1024)) $((($2 - $3) * $1 / 1024)) $(($4 * $1 / 1024))
    fi
    disk_total=$1 disk_used=$2 disk_free=$3
}
"""
