"""A small writer that gives the demo herd life: a customer's application, seen from herdsite. It uses each database
through its own URL, as its customer would, and keeps what it writes small."""

import random
import time

import structlog
from django.db import close_old_connections, connections
from django.db.utils import Error

from fleet.context import database_of
from fleet.ports import Ports
from fleet.transports.base import TransportError
from herdsite import demo

log = structlog.get_logger("life")

EVERY_S = 0.5
KEPT_ROWS = 2_000
WRITE = (
    "CREATE TABLE IF NOT EXISTS visits (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "
    "at timestamptz NOT NULL DEFAULT now(), page text NOT NULL)",
    "INSERT INTO visits (page) SELECT 'page ' || n FROM generate_series(1, {rows}) AS n",
    f"DELETE FROM visits WHERE id < (SELECT max(id) FROM visits) - {KEPT_ROWS}",
)


def write(ports: Ports) -> int:
    """One round over the demo's databases; returns how many took the write. One that does not is a customer's bad
    moment, and it is what herdsite is there to see: it is logged and left alone."""
    wrote = 0
    for resource in demo.mine():
        database = database_of(resource)
        if database is None:
            continue
        statements = [part.format(rows=random.randint(1, 20)) for part in WRITE]
        try:
            ports.sql.fetch(database, statements, timeout=2.0, read_only=False)
            wrote += 1
        except TransportError as error:
            log.debug("no write", resource=resource.name, why=str(error))
        time.sleep(EVERY_S)
    return wrote


def run(ports: Ports) -> None:
    """Write for ever."""
    while True:
        try:
            close_old_connections()
            write(ports)
        except Error as error:
            log.warning("database away", why=str(error).strip().splitlines()[0] if str(error).strip() else "")
            connections.close_all()
        time.sleep(EVERY_S)
