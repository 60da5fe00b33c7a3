-- What its customer has set against waiting for a standby: on the server, a database or a role. What a single session sets
-- for itself nobody else can see.
SELECT (SELECT pg_catalog.count(*) FROM pg_catalog.pg_db_role_setting, pg_catalog.unnest(setconfig) AS setting
        WHERE setting ~* '^synchronous_commit=(off|local|remote_write|false|no|0)$') AS weak_commits;
