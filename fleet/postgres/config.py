"""The files that a cluster is born with: postgresql.conf by the plan's size, pg_hba.conf. Pure text. Every setting
that differs from PostgreSQL's own default is here, with its reason."""

from collections.abc import Mapping
from dataclasses import dataclass

from fleet.subject import Subject

OLDEST = 15
MONITOR, MONITOR_CONNECTIONS = "herdsite_monitor", 8
REPLICA = "herdsite_replica"
# What changes while an instance lives (whom it streams from, whose word it waits for, where its WAL goes) has a file of
# its own, which is always written whole.
DYNAMIC = "herdsite.conf"
# What a server shows, and the CAs by which it knows others. Certificate and key are one file, so that they are replaced
# together or not at all. Files are moved to their places in the order of their names: these two come before DYNAMIC,
# which names the first.
CERTIFICATE, ROOTS = "herdsite.cert", "herdsite.ca"
SHOWN = {"ssl_cert_file": CERTIFICATE, "ssl_key_file": CERTIFICATE}
# Connections on top of the plan's: PostgreSQL keeps these back for superusers and for the monitoring role.
SUPERUSER_RESERVE = 3
RESERVE = SUPERUSER_RESERVE + MONITOR_CONNECTIONS


@dataclass(frozen=True)
class Sizing:
    """What a plan gives one cluster: memory and disk (MB), and client connections (of all its databases together).
    `archived`: its WAL is kept in an archive."""

    memory_mb: int
    connections: int
    disk_mb: int
    archived: bool = False


def _within(low: int, value: int, high: int) -> int:
    return max(low, min(value, high))


def settings(sizing: Sizing, major: int, bind: str, port: int, socket: str, tls: bool = True) -> dict[str, str]:
    """postgresql.conf as names and values, for PostgreSQL `major`. `socket` is the unix socket's folder."""
    wal = _within(128, sizing.disk_mb // 10, 16384)
    reserve = {"reserved_connections": f"{MONITOR_CONNECTIONS}"} if major >= 16 else {}
    encryption = {"ssl": "on", **SHOWN, "ssl_min_protocol_version": "TLSv1.2"} if tls else {}
    return {
        # Who may come, and how.
        "listen_addresses": bind,
        "port": f"{port}",
        "unix_socket_directories": socket,
        "max_connections": f"{sizing.connections + RESERVE}",
        "superuser_reserved_connections": f"{SUPERUSER_RESERVE}",
        **reserve,
        "password_encryption": "scram-sha-256",
        **encryption,
        # Who begins to log in and does not go on holds a connection for no longer than this.
        "authentication_timeout": "10s",
        # A client that is gone, or sits in a transaction for ever, gives its connection and its locks back.
        "tcp_keepalives_idle": "30s",
        "tcp_keepalives_interval": "5s",
        "tcp_keepalives_count": "3",
        "client_connection_check_interval": "10s",
        "idle_in_transaction_session_timeout": "30min",
        "statement_timeout": "0",
        # Memory.
        "shared_buffers": f"{max(16, sizing.memory_mb // 4)}MB",
        "effective_cache_size": f"{max(32, sizing.memory_mb * 3 // 4)}MB",
        "work_mem": f"{_within(4, sizing.memory_mb // 4 // max(1, sizing.connections), 256)}MB",
        "maintenance_work_mem": f"{_within(16, sizing.memory_mb // 16, 2048)}MB",
        # Disks are flash; compiling short queries costs more than it saves.
        "random_page_cost": "1.1",
        "effective_io_concurrency": "200",
        "jit": "off",
        # The write-ahead log: room by the size of the disk, so that neither a burst nor a dead follower fills it.
        "wal_level": "replica",
        # Where to, the dynamic file says. A standby archives nothing until it leads.
        "archive_mode": "on" if sizing.archived else "off",
        "max_wal_size": f"{wal}MB",
        "min_wal_size": f"{_within(64, wal // 4, 1024)}MB",
        "max_wal_senders": "20",
        "max_replication_slots": "20",
        "wal_keep_size": f"{_within(64, sizing.disk_mb // 50, 1024)}MB",
        "max_slot_wal_keep_size": f"{_within(128, sizing.disk_mb // 5, 65536)}MB",
        # After a crash: one call, and not one for each file.
        "recovery_init_sync_method": "syncfs",
        # Standbys notice a dead or frozen leader, and take up with a new one, within seconds.
        "hot_standby": "on",
        "wal_retrieve_retry_interval": "200ms",
        "wal_sender_timeout": "5s",
        "wal_receiver_timeout": "5s",
        # A week of log, one file a day, begun anew each week: it can't grow for ever.
        "logging_collector": "on",
        "log_directory": "log",
        "log_filename": "postgresql-%a.log",
        "log_rotation_age": "1d",
        "log_rotation_size": "0",
        "log_truncate_on_rotation": "on",
        "log_line_prefix": "%m [%p] %q%u@%d ",
        "log_min_duration_statement": "2s",
        "log_lock_waits": "on",
        "log_checkpoints": "on",
        "log_temp_files": "10MB",
        "log_autovacuum_min_duration": "10s",
        # What the probes and a person's look live on. Utility statements are left out: they can hold passwords.
        "shared_preload_libraries": "pg_stat_statements",
        "pg_stat_statements.track_utility": "off",
        "track_io_timing": "on",
        # initdb's own choices, which this file takes the place of.
        "timezone": "UTC",
        "log_timezone": "UTC",
        "lc_messages": "C",
        "default_text_search_config": "pg_catalog.english",
    }


def conf(subject: Subject, sizing: Sizing, tls: bool = True) -> str:
    """The whole postgresql.conf of the instance `subject`. ValueError for a PostgreSQL older than 15."""
    if subject.major < OLDEST:
        raise ValueError(f"PostgreSQL {subject.major} is too old: {OLDEST} or newer is needed")
    values = settings(sizing, subject.major, subject.bind, subject.port, subject.socket, tls)
    return f"{lines(values)}include_if_exists = '{DYNAMIC}'\n"


def lines(values: Mapping[str, str]) -> str:
    """Settings as the lines of a configuration file. ValueError for a value that a line can't hold."""
    return "".join(f"{name} = '{_quoted(value)}'\n" for name, value in values.items())


def hba(tls: bool = True) -> str:
    """pg_hba.conf: the superuser and customers' deputies (entering.py) only from their own host and
    as the account that PostgreSQL runs under; the monitoring
    role only into `postgres`; the replication role streams, and enters `postgres` for pg_rewind; customers from
    anywhere, over TLS, by password."""
    remote = "hostssl" if tls else "host"
    plain = "hostnossl all          all              all reject\n" if tls else ""
    return (
        "local     all          postgres         peer map=herdsite\n"
        "local     replication  postgres         peer map=herdsite\n"
        "local     all          all              peer map=herdsite\n"
        f"{plain}"
        f"{remote} all          postgres         all reject\n"
        f"{remote} postgres     {MONITOR} all scram-sha-256\n"
        f"{remote} all          {MONITOR} all reject\n"
        f"{remote} replication,postgres {REPLICA} all scram-sha-256\n"
        f"{remote} all          {REPLICA} all reject\n"
        f"{remote} all          all              all scram-sha-256\n"
    )


def _quoted(value: str) -> str:
    if "\n" in value:
        raise ValueError("a setting can't hold a line break")
    return value.replace("\\", "\\\\").replace("'", "''")
