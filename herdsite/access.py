"""Whether an account of this machine could write into a folder, whoever asks: by the modes of the folder and of all
above it. What access control lists or mounts say besides is not looked at."""

import os
import pwd
from pathlib import Path

WRITE, ENTER = 0o2, 0o1


def blocked(account: pwd.struct_passwd, folder: Path) -> str:
    """Which folder above, of those that are there, does not let the account pass; "" where all do."""
    barred = (above for above in reversed(folder.parents) if above.exists() and not _may(account, above, ENTER))
    return next((f"{above} does not let {account.pw_name} pass" for above in barred), "")


def obstacle(account: pwd.struct_passwd, folder: Path) -> str:
    """Why the account can't write there, or make the folder where it is not there yet; "" where it can."""
    if why := blocked(account, folder):
        return why
    place = next(one for one in (folder, *folder.parents) if one.exists())
    if _may(account, place, WRITE | ENTER):
        return ""
    return f"{place} is not writable for {account.pw_name}" + (
        "" if place == folder else f", and {folder} is not there"
    )


def _may(account: pwd.struct_passwd, folder: Path, wanted: int) -> bool:
    """As the kernel judges it: by the owner's bits for the owner, else by the group's for its members, else by the
    others'."""
    has = folder.stat()
    if account.pw_uid == 0:
        return True
    if has.st_uid == account.pw_uid:
        shift = 6
    elif has.st_gid in os.getgrouplist(account.pw_name, account.pw_gid):
        shift = 3
    else:
        shift = 0
    return (has.st_mode >> shift) & wanted == wanted
