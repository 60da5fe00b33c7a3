"""How a host sorts text: the versions of its C library and of ICU, by which PostgreSQL builds its indexes on text. A
copy of the files on a host that sorts in another way has indexes that are wrong there. Pure."""

NAMES = {"libc": "glibc", "icu": "ICU"}
# What libraries a cluster's collations come from, each with its version; NULL where none of them depends on any.
SORTS = """(SELECT pg_catalog.concat_ws(' ',
          'libc=' || (SELECT pg_catalog.pg_collation_actual_version(oid) FROM pg_catalog.pg_collation
                       WHERE collprovider = 'c' AND collcollate NOT IN ('', 'C', 'POSIX')
                         AND collcollate NOT LIKE 'C.%' ORDER BY oid LIMIT 1),
          'icu=' || (SELECT pg_catalog.pg_collation_actual_version(oid) FROM pg_catalog.pg_collation
                      WHERE collprovider = 'i' ORDER BY oid LIMIT 1)))"""


def read(text: str | None) -> dict[str, str]:
    """`libc=2.36 icu=153.120` as versions by name."""
    words = (word.partition("=") for word in (text or "").split())
    return {name: version for name, _, version in words if name in NAMES and version}


def unlike(standby: str | None, leader: str | None) -> str | None:
    """In what the standby's host sorts in another way than its leader's, in words; "" for nothing, None while it is not
    known."""
    if standby is None or leader is None:
        return None
    ours, theirs = read(standby), read(leader)
    differs = [name for name in NAMES if name in ours and name in theirs and ours[name] != theirs[name]]
    return ", ".join(f"{NAMES[name]} {ours[name]}, its leader's with {theirs[name]}" for name in differs)
