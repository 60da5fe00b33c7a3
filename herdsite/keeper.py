"""Keeps herdsite's own database up while `up` runs, as the supervisor keeps the processes."""

from collections.abc import Callable

from herdsite.embedded import Embedded

# Anyone who stops the database to start it again has so long (seconds) before the keeper does it.
PATIENCE = 5.0


class Keeper:
    """`look(now)`, called every now and then with monotonic seconds, starts `embedded` again once it stayed down."""

    def __init__(self, embedded: Embedded, say: Callable[[str], None]):
        self.embedded, self.say = embedded, say
        self.down_since: float | None = None

    def look(self, now: float) -> None:
        if self.embedded.running():
            self.down_since = None
        elif self.down_since is None:
            self.down_since = now
        elif now - self.down_since > PATIENCE:
            self.say("herdsite's own database is down: starting it again")
            self.down_since = now
            try:
                self.embedded.start()
            except RuntimeError as error:
                self.say(str(error))
