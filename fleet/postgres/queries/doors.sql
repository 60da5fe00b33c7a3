-- Databases that their own owner can't enter, and what he or his rights have set: what nobody of ours does. Whoever is in
-- stays in.
SELECT coalesce(pg_catalog.string_agg(datname || ':' || pg_catalog.replace(why, ' ', '_'), ' ' ORDER BY datname), '') AS closed
  FROM (SELECT datname,
               CASE WHEN NOT datallowconn THEN 'ALLOW_CONNECTIONS'
                    WHEN datconnlimit = 0 OR rolconnlimit = 0 THEN 'CONNECTION LIMIT'
                    WHEN NOT rolcanlogin THEN 'NOLOGIN'
                    WHEN rolvaliduntil <= pg_catalog.now() THEN 'VALID UNTIL'
                    WHEN NOT pg_catalog.has_database_privilege(role.oid, base.oid, 'CONNECT') THEN 'REVOKE CONNECT'
               END AS why
          FROM pg_catalog.pg_database AS base JOIN pg_catalog.pg_roles AS role ON role.oid = datdba
         WHERE datname NOT IN ('postgres', 'template0', 'template1')) AS door
 WHERE why IS NOT NULL;
