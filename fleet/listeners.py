"""Who listens on a host, by its kernel's word: a port is given to PostgreSQL only where nobody else has it. Our own
records know nothing of Debian's cluster on 5432, or of a tunnel on the loopback address. Pure, but for `busy_ports`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from fleet.transports.base import Shell, checked

# The kernel's own tables, which every Linux has and everybody may read; 0A is LISTEN.
ASK = "cat /proc/net/tcp /proc/net/tcp6 2> /dev/null | awk '$4 == \"0A\" { print $2 }'"
# How a build says that it lost its port between the choice and the start: our script's words (scripts.py) and
# PostgreSQL's own.
CONTESTED = "another program listens there"
SIGNS = (CONTESTED, "Address already in use")

# Expects `data`. What is built starts only where nobody else listens on its port, at whatever address: the choice may
# be hours old when a copy is complete.
UNCONTESTED = (
    """
uncontested() {
    port=$(sed -n "s/^port = '\\([0-9]*\\)'/\\1/p" "$data/postgresql.conf" | tail -n 1)
    bound=$(sed -n "s/^listen_addresses = '\\(.*\\)'/\\1/p" "$data/postgresql.conf" | tail -n 1)
    # A loopback address of one's own is shared with nobody; PostgreSQL itself says when it is not free.
    case $bound in 127.0.0.1 | *,*) ;; 127.*) return 0 ;; esac
    if cat /proc/net/tcp /proc/net/tcp6 2> /dev/null | awk -v port="$(printf ':%04X' "$port")" '
        $4 == "0A" && substr($2, length($2) - 4) == port { found = 1 } END { exit !found }'; then
        echo "port $port: Address already in use: @CONTESTED@" >&2
        exit 1
    fi
}
"""
).replace("@CONTESTED@", CONTESTED)

_THIS_MACHINE = IPv4Address("127.0.0.1")


@dataclass(frozen=True)
class Listener:
    address: IPv4Address | IPv6Address
    port: int


def busy_ports(shell: Shell, bind: str) -> set[int]:
    """The ports of a host that a PostgreSQL which binds `bind` (listen_addresses) can't have. Raises TransportError."""
    argv = ["sh", "-c", ASK]
    return contested(read(checked(argv, shell.run(argv)).out), bind)


def read(out: str) -> list[Listener]:
    """What ASK printed: an address in the kernel's notation and a port a line, "0100007F:1538" say."""
    found = []
    for line in out.split():
        address, colon, port = line.rpartition(":")
        try:
            # Words of four bytes, each in the byte order of the processor: herdsite's hosts are little-endian.
            words = [bytes.fromhex(address[at : at + 8])[::-1] for at in range(0, len(address), 8)]
            if colon:
                found.append(Listener(_plain(ip_address(b"".join(words))), int(port, 16)))
        except ValueError:
            continue
    return found


def contested(listeners: Collection[Listener], bind: str) -> set[int]:
    """The ports that are not free for one who binds `bind`. Any listener of a port counts, also at an address that is
    not bound: PostgreSQL starts where it gets only one of its addresses, and then half of its clients reach somebody
    else. Only a loopback address of one's own (a local host's) shares nothing but what is bound to every address."""
    own = _own(bind)
    return {
        listener.port
        for listener in listeners
        if own is None or listener.address.is_unspecified or listener.address == own
    }


def _own(bind: str) -> IPv4Address | None:
    try:
        address = ip_address(bind.strip())
    except ValueError:
        return None
    own = isinstance(address, IPv4Address) and address.is_loopback and address != _THIS_MACHINE
    return address if own and isinstance(address, IPv4Address) else None


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """::ffff:10.0.0.1 is 10.0.0.1."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def lost(why: str) -> bool:
    """Whether a job failed because somebody else had the port by then."""
    return any(sign in why for sign in SIGNS)
