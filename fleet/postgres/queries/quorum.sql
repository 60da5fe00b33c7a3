-- Whose word a leader's commits wait for, over a connection of its own: it has what was loaded last. The checkpointer has
-- heard of a reload when it rests.
SELECT CASE WHEN recovery THEN NULL ELSE pg_catalog.current_setting('synchronous_standby_names') END AS sync_setting,
       CASE WHEN recovery THEN NULL ELSE coalesce(nullif(pg_catalog.current_setting('herdsite.serial', true), ''), '0')::int END
           AS sync_serial,
       (SELECT wait_event_type IN ('Activity', 'Timeout') FROM pg_catalog.pg_stat_activity WHERE backend_type = 'checkpointer')
           AS sync_settled,
       CASE WHEN recovery THEN NULL ELSE pg_catalog.pg_current_wal_lsn()::pg_catalog.text END AS sync_lsn,
       CASE WHEN recovery THEN NULL ELSE coalesce((
           SELECT pg_catalog.string_agg(pg_catalog.concat_ws(':', application_name, CASE state WHEN 'streaming' THEN 'true' ELSE 'false' END,
                                       sync_state, sync_priority, coalesce(flush_lsn::pg_catalog.text, '')), ',')
             FROM pg_catalog.pg_stat_replication WHERE application_name !~ '[:,]'), '') END AS streams
FROM (SELECT pg_catalog.pg_is_in_recovery() AS recovery) AS is_in;
