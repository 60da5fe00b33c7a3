-- What a standby has to have as much of as its leader (fleet/succession/capacity.py), and whether the files say by now
-- something else than what it was started with.
SELECT pg_catalog.string_agg(name || '=' || setting, ' ' ORDER BY name) AS capacity,
       pg_catalog.bool_or(pending_restart) AS restart_pending
  FROM pg_catalog.pg_settings
 WHERE name IN ('max_connections', 'max_locks_per_transaction', 'max_prepared_transactions', 'max_wal_senders',
                'max_worker_processes');
