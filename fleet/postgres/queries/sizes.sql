-- Costly: PostgreSQL asks the file system about every file of every database.
SELECT coalesce(sum(pg_database_size(oid)), 0)::bigint AS size_bytes,
       count(*) FILTER (WHERE NOT datistemplate AND datname <> 'postgres') AS databases
FROM pg_database;
