-- What clients are doing. "Blocked" is read from the wait event: pg_blocking_pids would lock the lock manager.
SELECT coalesce(extract(epoch FROM pg_catalog.max(pg_catalog.clock_timestamp() - xact_start)), 0)::pg_catalog.float8 AS longest_transaction_s,
       coalesce(extract(epoch FROM pg_catalog.max(pg_catalog.clock_timestamp() - query_start) FILTER (WHERE state = 'active')), 0)::pg_catalog.float8 AS longest_query_s,
       coalesce(pg_catalog.max(pg_catalog.age(backend_xmin)), 0) AS xmin_age,
       pg_catalog.count(*) FILTER (WHERE state = 'active') AS active,
       pg_catalog.count(*) FILTER (WHERE state = 'active' AND wait_event_type IS NOT NULL) AS waiting,
       pg_catalog.count(*) FILTER (WHERE wait_event_type = 'Lock') AS blocked,
       pg_catalog.count(*) FILTER (WHERE state LIKE 'idle in transaction%') AS idle_in_transaction,
       coalesce(extract(epoch FROM pg_catalog.max(pg_catalog.clock_timestamp() - state_change) FILTER (WHERE state LIKE 'idle in transaction%')), 0)::pg_catalog.float8
           AS idle_in_transaction_s
FROM pg_catalog.pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_catalog.pg_backend_pid();
