-- Tables whose content a promotion empties, as a crash does.
SELECT pg_catalog.count(*) AS unlogged_tables
  FROM pg_catalog.pg_class WHERE relpersistence = 'u' AND relkind IN ('r', 'm');
