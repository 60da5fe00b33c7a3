-- How much WAL lies on the disk, and of what it may grow to before checkpoints come early; how far transactions are.
SELECT pg_catalog.sum(size)::bigint AS wal_bytes,
       (100.0 * pg_catalog.sum(size) / pg_catalog.pg_size_bytes(pg_catalog.current_setting('max_wal_size')))::pg_catalog.float8 AS wal_used_pct,
       pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::pg_catalog.text::bigint AS transaction_id
FROM pg_catalog.pg_ls_waldir();
