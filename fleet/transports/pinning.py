"""Host keys: the one that was pinned when a server was created is the only one that is ever accepted.

Keys are text, "type base64", as in an authorized_keys or known_hosts file; nothing here needs a wire.
"""

import base64
import hashlib

from fleet.transports.base import Host, Refused


def judge(host: Host, shown: str) -> None:
    """Refuse any key but the pinned one; the message names both fingerprints and what to do."""
    pinned = " ".join(host.host_key.split()[:2])
    if not pinned:
        raise Refused(
            f"{place(host)}: no host key is pinned; it shows {fingerprint(shown)}. If the host itself says the same "
            "(ssh-keygen -lf its public key), pin it.",
            "host_key",
        )
    if shown != pinned:
        raise Refused(
            f"{place(host)}: the host key changed: {fingerprint(pinned)} is pinned, {fingerprint(shown)} is shown. "
            "The connection may be intercepted. If the host was rebuilt, compare with what it says itself (ssh-keygen "
            "-lf its public key), then pin the new one.",
            "host_key",
        )


def fingerprint(key: str) -> str:
    """The SHA256 fingerprint, as ssh-keygen writes it."""
    try:
        blob = base64.b64decode(key.split()[1], validate=True)
    except (IndexError, ValueError):
        return "something that is no key"
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def place(host: Host) -> str:
    return f"{host.name} ({host.address}:{host.port})"
