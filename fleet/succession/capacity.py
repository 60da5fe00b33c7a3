"""What PostgreSQL wants a standby to have as much of as its leader. Where it has less, its replay pauses for ever once
it comes to that in the WAL: commits are acknowledged, and it can be neither promoted nor started. Pure."""

# As PostgreSQL's documentation of hot standbys lists them.
NAMES = (
    "max_connections",
    "max_locks_per_transaction",
    "max_prepared_transactions",
    "max_wal_senders",
    "max_worker_processes",
)


def read(text: str | None) -> dict[str, int]:
    """`name=value …` as numbers by name; {} when it is not known. What is none of NAMES is left out."""
    words = (word.partition("=") for word in (text or "").split())
    return {name: int(value) for name, _, value in words if name in NAMES and value.isdigit()}


def short_of(standby: str | None, leader: str | None) -> str | None:
    """What the standby has less of than its leader, in words; "" for nothing, None while it is not known."""
    ours, theirs = read(standby), read(leader)
    if not ours or not theirs:
        return None
    less = [name for name in NAMES if name in ours and ours[name] < theirs.get(name, 0)]
    return ", ".join(f"{name} {ours[name]} of {theirs[name]}" for name in less)
