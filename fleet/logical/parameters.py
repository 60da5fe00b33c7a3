"""Parameters that only a superuser may set for a database, and that a backup of ours brings along: an operator has set
them once. By name from this table, and never out of a dump from elsewhere, whose author could fill our disk. Pure."""

SAFE = {
    # parameter                       why it does no harm
    "auto_explain.log_analyze": "what is logged",
    "auto_explain.log_min_duration": "what is logged",
    "auto_explain.log_nested_statements": "what is logged",
    "compute_query_id": "what is counted",
    "deadlock_timeout": "how soon its own sessions look for a deadlock",
    "lc_messages": "the language of its own messages",
    "log_duration": "what is logged",
    "log_error_verbosity": "what is logged",
    "log_lock_waits": "what is logged",
    "log_min_duration_sample": "what is logged",
    "log_min_duration_statement": "what is logged",
    "log_min_error_statement": "what is logged",
    "log_min_messages": "what is logged",
    "log_replication_commands": "what is logged",
    "log_statement": "what is logged",
    "log_statement_sample_rate": "what is logged",
    "log_temp_files": "what is logged",
    "log_transaction_sample_rate": "what is logged",
    "pg_stat_statements.track": "what is counted",
    "pg_stat_statements.track_planning": "what is counted",
    "pg_stat_statements.track_utility": "what is counted",
    "track_activities": "what is counted",
    "track_counts": "what is counted",
    "track_functions": "what is counted",
    "track_io_timing": "what is counted",
    "track_wal_io_timing": "what is counted",
    "wal_compression": "how its own WAL is written",
}
