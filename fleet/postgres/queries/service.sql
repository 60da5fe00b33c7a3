-- Every beat: is it there, which role does it play, how far is it? Light, since it is asked most often.
SELECT true AS service_available,
       recovery AS in_recovery,
       CASE WHEN recovery THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_lsn() END::pg_catalog.text AS lsn,
       CASE WHEN recovery
            THEN coalesce((SELECT received_tli FROM pg_catalog.pg_stat_wal_receiver), (SELECT timeline_id FROM pg_catalog.pg_control_checkpoint()))
            ELSE ('x' || pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8))::bit(32)::int
       END AS timeline_id,
       nullif(pg_catalog.current_setting('herdsite.generation', true), '')::int AS generation,
       pg_catalog.current_setting('server_version_num')::int AS version,
       extract(epoch FROM pg_catalog.pg_postmaster_start_time())::pg_catalog.float8 AS started,
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend') AS connections,
       pg_catalog.current_setting('max_connections')::int AS max_connections,
       CASE WHEN recovery THEN pg_catalog.pg_get_wal_replay_pause_state() = 'paused' END AS replay_paused,
       (SELECT extract(epoch FROM pg_catalog.clock_timestamp() - last_msg_receipt_time)
          FROM pg_catalog.pg_stat_wal_receiver WHERE status = 'streaming')::pg_catalog.float8 AS heard_s
FROM (SELECT pg_catalog.pg_is_in_recovery() AS recovery) AS is_in;
