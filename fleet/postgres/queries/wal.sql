-- How much WAL lies on the disk, and of what it may grow to before checkpoints come early; how far transactions are.
SELECT sum(size)::bigint AS wal_bytes,
       (100.0 * sum(size) / pg_size_bytes(current_setting('max_wal_size')))::float8 AS wal_used_pct,
       pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS transaction_id
FROM pg_ls_waldir();
