"""Who guesses waits, and waits longer each time.

A guess is counted three times: by login and address together, by the address alone, and by the login
alone. The last has much patience and short waits: nobody can keep somebody else out for long. Where there is one login
for all (a platform's), it is not told, and only addresses count: strangers elsewhere can't keep the platform waiting.
"""

import hashlib
from dataclasses import dataclass

from django.db import connection


@dataclass(frozen=True)
class Patience:
    """So many wrong ones are free; each further one doubles the wait (seconds), up to the longest. Forgotten after so
    many seconds without another."""

    free: int
    first_s: int
    longest_s: int
    forget_s: int = 3_600


BOTH = Patience(free=5, first_s=2, longest_s=900)
ADDRESS = Patience(free=20, first_s=2, longest_s=900)
LOGIN = Patience(free=50, first_s=1, longest_s=30)
KEPT_S = 86_400


def keys(door: str, login: str, address: str) -> dict[str, Patience]:
    """The digests under which a guess counts; names of people are not kept. Without a `login` the address alone counts,
    by both patiences."""

    def digest(*parts: str) -> str:
        return hashlib.sha256("\0".join((door, *parts)).encode(errors="replace")).hexdigest()

    name = login.strip().lower()
    found = {digest("both", name, address): BOTH, digest("address", address): ADDRESS}
    return found | ({digest("login", name): LOGIN} if name else {})


def wait_s(door: str, login: str, address: str) -> int:
    """For how many seconds no password for `login` from `address` is listened to; 0 if it is now."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(ceil(extract(epoch FROM max(until) - clock_timestamp())), 0) FROM lockout_wrong "
            "WHERE key = ANY(%s) AND until > clock_timestamp()",
            [list(keys(door, login, address))],
        )
        return int(cursor.fetchone()[0])


def wrong(door: str, login: str, address: str) -> None:
    """Count a wrong password. Each key is one statement, so that guesses at the same time count each for itself."""
    with connection.cursor() as cursor:
        for key, patience in sorted(keys(door, login, address).items()):
            cursor.execute(
                """
                INSERT INTO lockout_wrong AS known (key, count, last_at, until)
                VALUES (%(key)s, 1, clock_timestamp(), NULL)
                ON CONFLICT (key) DO UPDATE SET
                    count = CASE WHEN known.last_at < clock_timestamp() - make_interval(secs => %(forget)s) THEN 1
                        ELSE known.count + 1 END,
                    last_at = clock_timestamp(),
                    until = CASE WHEN known.last_at >= clock_timestamp() - make_interval(secs => %(forget)s)
                        AND known.count + 1 > %(free)s THEN clock_timestamp() + make_interval(
                            secs => least(%(longest)s, %(first)s * 2.0 ^ least(known.count - %(free)s, 20))) END
                """,
                {
                    "key": key, "forget": patience.forget_s, "free": patience.free, "first": patience.first_s,
                    "longest": patience.longest_s,
                },
            )  # fmt: skip
        cursor.execute(
            "DELETE FROM lockout_wrong WHERE last_at < clock_timestamp() - make_interval(secs => %s)", [KEPT_S]
        )


def right(door: str, login: str, address: str) -> None:
    """Forget the wrong ones of who has proven who it is; those of the address and of others stay."""
    both = next(iter(keys(door, login, address)))
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM lockout_wrong WHERE key = %s", [both])
