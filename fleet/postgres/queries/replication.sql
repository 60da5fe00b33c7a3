-- A leader's standbys as it sees them, and a standby's stream as it sees it. A standby that has replayed all it
-- received does not lag, however long ago the last transaction was.
SELECT (SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming') AS standbys,
       (SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')) AS sync_standbys,
       (SELECT max(pg_wal_lsn_diff(CASE WHEN recovery THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, replay_lsn))
          FROM pg_stat_replication)::bigint AS standby_lag_bytes,
       CASE WHEN recovery THEN coalesce(receiver.status, 'none') END AS receiver,
       extract(epoch FROM clock_timestamp() - receiver.last_msg_receipt_time)::float8 AS receiver_age_s,
       receiver.flushed_lsn::text AS received_lsn,
       CASE WHEN NOT recovery THEN NULL
            WHEN pg_last_wal_receive_lsn() <= pg_last_wal_replay_lsn() THEN 0
            ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())
       END::float8 AS replay_lag_s
FROM (SELECT pg_is_in_recovery() AS recovery) AS is_in
LEFT JOIN pg_stat_wal_receiver AS receiver ON true;
