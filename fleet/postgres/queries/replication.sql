-- A leader's standbys as it sees them, and a standby's stream as it sees it. A standby that has replayed all it
-- received does not lag, however long ago the last transaction was.
SELECT (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_replication WHERE state = 'streaming') AS standbys,
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_replication WHERE sync_state IN ('sync', 'quorum')) AS sync_standbys,
       (SELECT pg_catalog.max(pg_catalog.pg_wal_lsn_diff(CASE WHEN recovery THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_lsn() END, replay_lsn))
          FROM pg_catalog.pg_stat_replication)::bigint AS standby_lag_bytes,
       CASE WHEN recovery THEN coalesce(receiver.status, 'none') END AS receiver,
       extract(epoch FROM pg_catalog.clock_timestamp() - receiver.last_msg_receipt_time)::pg_catalog.float8 AS receiver_age_s,
       receiver.flushed_lsn::pg_catalog.text AS received_lsn,
       CASE WHEN NOT recovery THEN NULL
            WHEN pg_catalog.pg_last_wal_receive_lsn() <= pg_catalog.pg_last_wal_replay_lsn() THEN 0
            ELSE extract(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp())
       END::pg_catalog.float8 AS replay_lag_s
FROM (SELECT pg_catalog.pg_is_in_recovery() AS recovery) AS is_in
LEFT JOIN pg_catalog.pg_stat_wal_receiver AS receiver ON true;
