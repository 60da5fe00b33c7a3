-- How far the oldest unfrozen row of any database is behind: PostgreSQL stops taking writes at about 2^31.
SELECT pg_catalog.max(pg_catalog.age(datfrozenxid)) AS xid_age, pg_catalog.max(pg_catalog.mxid_age(datminmxid)) AS multixact_age FROM pg_catalog.pg_database;
