-- Tables whose content a promotion empties, as a crash does, and what they hold.
SELECT pg_catalog.count(*) AS unlogged_tables,
       coalesce(pg_catalog.sum(pg_catalog.pg_total_relation_size(oid)), 0)::pg_catalog.int8 AS unlogged_bytes
  FROM pg_catalog.pg_class WHERE relpersistence = 'u' AND relkind IN ('r', 'm');
