-- The customers' databases with their owners, by oid.
SELECT base.oid::pg_catalog.int8 AS database, base.datname AS name, base.datdba::pg_catalog.int8 AS owner
FROM pg_catalog.pg_database AS base WHERE base.datname NOT IN ('postgres', 'template0', 'template1');
