-- A write as durable as a customer's that leaves nothing behind: a transactional message in the WAL makes the commit
-- wait for the disk, and for a synchronous standby where there is one. Not tried where it must fail.
SELECT CASE WHEN pg_catalog.pg_is_in_recovery() OR pg_catalog.current_setting('transaction_read_only') = 'on' THEN false
            ELSE pg_catalog.pg_logical_emit_message(true, 'herdsite', '') IS NOT NULL
       END AS can_write;
