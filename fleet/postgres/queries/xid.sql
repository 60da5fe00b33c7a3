-- How far the oldest unfrozen row of any database is behind: PostgreSQL stops taking writes at about 2^31.
SELECT max(age(datfrozenxid)) AS xid_age, max(mxid_age(datminmxid)) AS multixact_age FROM pg_database;
