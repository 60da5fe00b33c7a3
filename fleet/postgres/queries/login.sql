-- A customer's database through its URL, every beat: we are in. It serves writes unless one of the others says no.
-- What its customer has made read only by default is the customer's own, and one SET away from a write.
SELECT true AS service_available,
       pg_catalog.pg_is_in_recovery() AS in_recovery,
       pg_catalog.current_setting('transaction_read_only') = 'on' AND NOT customers_own AS read_only,
       customers_own AS customers_read_only
FROM (SELECT EXISTS (
          SELECT FROM pg_catalog.pg_db_role_setting, pg_catalog.unnest(setconfig) AS setting
           WHERE setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
             AND setrole IN (0, (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user))
             AND (setdatabase <> 0 OR setrole <> 0)
             AND setting ~* '^default_transaction_read_only=(on|true|yes|1)$') AS customers_own) AS told;
