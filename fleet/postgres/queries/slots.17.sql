-- From 17 on PostgreSQL says since when nobody reads a slot.
SELECT pg_catalog.count(slot_name) AS slots,
       pg_catalog.count(*) FILTER (WHERE NOT active) AS inactive_slots,
       pg_catalog.count(*) FILTER (WHERE wal_status = 'lost') AS lost_slots,
       coalesce(pg_catalog.max(pg_catalog.pg_wal_lsn_diff(lsn, restart_lsn)), 0)::bigint AS slot_retained_bytes,
       extract(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.min(inactive_since))::pg_catalog.float8 AS slot_inactive_s
FROM (SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_lsn() END AS lsn) AS at
LEFT JOIN pg_catalog.pg_replication_slots ON true;
