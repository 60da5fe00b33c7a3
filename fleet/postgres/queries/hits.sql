-- Sums since the statistics were last reset; the share of blocks that were found in shared memory.
SELECT (100.0 * pg_catalog.sum(blks_hit) / nullif(pg_catalog.sum(blks_hit + blks_read), 0))::pg_catalog.float8 AS cache_hit_pct,
       pg_catalog.sum(xact_commit)::bigint AS commits,
       pg_catalog.sum(xact_rollback)::bigint AS rollbacks,
       pg_catalog.sum(deadlocks)::bigint AS deadlocks,
       pg_catalog.sum(temp_bytes)::bigint AS temp_bytes
FROM pg_catalog.pg_stat_database;
