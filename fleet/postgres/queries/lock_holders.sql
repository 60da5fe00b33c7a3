-- Who holds how many locks of the lock table, by oid. Functions alone: on a full lock table a session that has asked this
-- before can ask it again, whereas a view over a shared catalog, or another login, would need a lock. The database in which
-- it is asked is nobody's.
SELECT activity.datid::pg_catalog.int8 AS database, activity.usesysid::pg_catalog.int8 AS role, pg_catalog.count(*) AS locks,
       pg_catalog.current_setting('max_locks_per_transaction')::pg_catalog.int8
           * (pg_catalog.current_setting('max_connections')::pg_catalog.int8
              + pg_catalog.current_setting('max_prepared_transactions')::pg_catalog.int8) AS slots
FROM pg_catalog.pg_lock_status() AS held JOIN pg_catalog.pg_stat_get_activity(NULL) AS activity ON activity.pid = held.pid
CROSS JOIN pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) AS mine
WHERE NOT held.fastpath AND activity.datid NOT IN (0, mine.datid)
GROUP BY activity.datid, activity.usesysid ORDER BY pg_catalog.count(*) DESC LIMIT 20;
