-- A customer's database through its URL, every beat: we are in. It serves writes unless one of the others says no.
SELECT true AS service_available,
       pg_catalog.pg_is_in_recovery() AS in_recovery,
       pg_catalog.current_setting('transaction_read_only') = 'on' AS read_only;
