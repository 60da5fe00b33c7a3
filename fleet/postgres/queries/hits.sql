-- Sums since the statistics were last reset; the share of blocks that were found in shared memory.
SELECT (100.0 * sum(blks_hit) / nullif(sum(blks_hit + blks_read), 0))::float8 AS cache_hit_pct,
       sum(xact_commit)::bigint AS commits,
       sum(xact_rollback)::bigint AS rollbacks,
       sum(deadlocks)::bigint AS deadlocks,
       sum(temp_bytes)::bigint AS temp_bytes
FROM pg_stat_database;
