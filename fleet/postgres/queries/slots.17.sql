-- From 17 on PostgreSQL says since when nobody reads a slot.
SELECT count(slot_name) AS slots,
       count(*) FILTER (WHERE NOT active) AS inactive_slots,
       count(*) FILTER (WHERE wal_status = 'lost') AS lost_slots,
       coalesce(max(pg_wal_lsn_diff(lsn, restart_lsn)), 0)::bigint AS slot_retained_bytes,
       extract(epoch FROM clock_timestamp() - min(inactive_since))::float8 AS slot_inactive_s
FROM (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END AS lsn) AS at
LEFT JOIN pg_replication_slots ON true;
