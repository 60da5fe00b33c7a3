-- Costly: PostgreSQL asks the file system about every file of every database.
SELECT coalesce(pg_catalog.sum(pg_catalog.pg_database_size(oid)), 0)::bigint AS size_bytes,
       pg_catalog.count(*) FILTER (WHERE NOT datistemplate AND datname <> 'postgres') AS databases
FROM pg_catalog.pg_database;
