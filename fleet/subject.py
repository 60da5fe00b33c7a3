"""One thing as a beat sees it: all that feel and act need, read once, frozen, and free of the database.

Threads feel subjects while the turn's own thread keeps the connection; so a subject holds values, never a model.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from fleet.orders import Order
from fleet.transports.base import Database, Host

SERVER, INSTANCE, RESOURCE = "server", "instance", "resource"
TIMELINE, BACKUP, ADDRESS, CHANGEOVER = "timeline", "backup", "address", "changeover"
KINDS = (SERVER, INSTANCE, RESOURCE, TIMELINE, BACKUP, ADDRESS, CHANGEOVER)


@dataclass(frozen=True)
class Subject:
    """`known` is the last that was felt (attribute → text); `probed` says when each probe last looked (epoch, s).

    `now` is the database's clock when the subject was read, and `read_at` our monotonic one: workers' own clocks
    differ. `major` is PostgreSQL's major version; `bin` its folder on the host; `data` the data directory there;
    `socket` the host name by which psql on the host reaches it; `job` the detached job that the next step hangs on
    ("" for none); `order` what its host is told bears; `script` what its host is asked about the place in
    `archive`, and `stdin` what that reads (which may be secret); `verdict_s` in how many seconds its doubt window
    ends. Fields that a kind does not have are empty.
    """

    kind: str
    id: UUID
    name: str
    state: str
    now: datetime
    provider: str = ""
    zone: str = ""
    host: Host | None = None
    home: str = ""
    bind: str = "*"
    database: Database | None = None
    major: int = 0
    bin: str = ""
    data: str = ""
    socket: str = ""
    port: int = 0
    job: str = ""
    order: Order = Order()
    archive: str = ""
    script: str = ""
    stdin: bytes = field(default=b"", repr=False)
    interval_s: float = 15.0
    verdict_s: float = math.inf
    known: Mapping[str, str | None] = field(default_factory=dict)
    probed: Mapping[str, float] = field(default_factory=dict)
    read_at: float = field(default_factory=lambda: time.monotonic(), compare=False)
