-- A customer's own sessions; the lower of the two limits on connections is the one that is felt. NULL where there is none.
SELECT pg_catalog.count(*) AS connections,
       (SELECT least(nullif(datconnlimit, -1), nullif(rolconnlimit, -1))
          FROM pg_catalog.pg_database, pg_catalog.pg_roles WHERE datname = pg_catalog.current_database() AND rolname = current_user) AS connection_limit,
       pg_catalog.count(*) FILTER (WHERE state = 'active' AND pid <> pg_catalog.pg_backend_pid()) AS active,
       pg_catalog.count(*) FILTER (WHERE wait_event_type = 'Lock') AS blocked,
       pg_catalog.count(*) FILTER (WHERE state LIKE 'idle in transaction%') AS idle_in_transaction
FROM pg_catalog.pg_stat_activity
WHERE datname = pg_catalog.current_database() AND backend_type = 'client backend';
