"""How a command gets past the login shell of a user whom we don't know, and how its output is told from what that shell
says of its own: bash that says hello in its ~/.bashrc, fish, csh, or no shell at all.

They all know one line, which hands over to sh: there is nothing in it that one of them reads in a way of its own (a
backslash, an exclamation mark, a line break). sh then begins both outputs with a mark, and what was said before that is
not ours. A shell that has handed over can say nothing afterwards.
"""

import base64
from secrets import token_hex

from fleet.transports.base import Host, Refused
from fleet.transports.pinning import place

MARK = f"herdsite-{token_hex(8)}\n".encode()
HAND_OVER = """exec sh -c 'eval "$(echo $1 | base64 -d)"' sh {}"""


def handed_over(command: str) -> str:
    """A command for sh, as any login shell takes it."""
    mark = MARK.decode().strip()
    whole = f"echo {mark}; echo {mark} >&2; {command}"
    return HAND_OVER.format(base64.b64encode(whole.encode()).decode())


def ours(host: Host, out: bytes, err: bytes) -> tuple[bytes, bytes]:
    """Both outputs from the mark on. Refused where the login shell did not hand over, with what it said instead."""
    found = [output.partition(MARK) for output in (out, err)]
    if not all(mark for _before, mark, _after in found):
        said = b" ".join((err + out).split())[:200].decode(errors="replace") or "nothing"
        raise Refused(f"{place(host)}: the login shell of {host.user} runs no commands; it says: {said}", "login")
    (_, _, own_out), (_, _, own_err) = found
    return own_out, own_err
