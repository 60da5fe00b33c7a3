-- How big a customer's database is. Rows are the planner's estimate: counting would read everything.
SELECT pg_database_size(current_database()) AS db_size_bytes,
       count(*) AS tables,
       coalesce(sum(greatest(reltuples, 0)), 0)::bigint AS estimated_rows,
       (100.0 * sum(heap_blks_hit) / nullif(sum(heap_blks_hit + heap_blks_read), 0))::float8 AS table_hit_pct,
       (100.0 * sum(idx_blks_hit) / nullif(sum(idx_blks_hit + idx_blks_read), 0))::float8 AS index_hit_pct,
       pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS transaction_id
FROM pg_statio_user_tables JOIN pg_class ON oid = relid;
