-- The archiver fails when its last failure is younger than its last success.
SELECT archived_count,
       failed_count,
       last_archived_wal,
       extract(epoch FROM pg_catalog.clock_timestamp() - last_archived_time)::pg_catalog.float8 AS last_archived_age_s,
       last_failed_wal,
       extract(epoch FROM pg_catalog.clock_timestamp() - last_failed_time)::pg_catalog.float8 AS last_failed_age_s,
       last_failed_time IS NOT NULL AND last_failed_time >= coalesce(last_archived_time, '-infinity') AS archiver_failing
FROM pg_catalog.pg_stat_archiver;
