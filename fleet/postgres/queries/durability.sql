-- What its customer has set against waiting for a standby: on the server, a database or a role. What a single session sets
-- for itself nobody else can see.
SELECT (SELECT count(*) FROM pg_db_role_setting, unnest(setconfig) AS setting
        WHERE setting ~* '^synchronous_commit=(off|local|remote_write|false|no|0)$') AS weak_commits;
