-- A customer's own sessions; the lower of the two limits on connections is the one that is felt. NULL where there is none.
SELECT count(*) AS connections,
       (SELECT least(nullif(datconnlimit, -1), nullif(rolconnlimit, -1))
          FROM pg_database, pg_roles WHERE datname = current_database() AND rolname = current_user) AS connection_limit,
       count(*) FILTER (WHERE state = 'active' AND pid <> pg_backend_pid()) AS active,
       count(*) FILTER (WHERE wait_event_type = 'Lock') AS blocked,
       count(*) FILTER (WHERE state LIKE 'idle in transaction%') AS idle_in_transaction
FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend';
