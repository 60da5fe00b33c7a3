-- How big a customer's database is. Rows are the planner's estimate: counting would read everything.
SELECT pg_catalog.pg_database_size(pg_catalog.current_database()) AS db_size_bytes,
       pg_catalog.count(*) AS tables,
       coalesce(pg_catalog.sum(greatest(reltuples, 0)), 0)::bigint AS estimated_rows,
       (100.0 * pg_catalog.sum(heap_blks_hit) / nullif(pg_catalog.sum(heap_blks_hit + heap_blks_read), 0))::pg_catalog.float8 AS table_hit_pct,
       (100.0 * pg_catalog.sum(idx_blks_hit) / nullif(pg_catalog.sum(idx_blks_hit + idx_blks_read), 0))::pg_catalog.float8 AS index_hit_pct,
       pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::pg_catalog.text::bigint AS transaction_id
FROM pg_catalog.pg_statio_user_tables JOIN pg_catalog.pg_class ON oid = relid;
