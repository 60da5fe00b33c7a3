-- By what this host sorts text (fleet/succession/sorting.py).
SELECT pg_catalog.concat_ws(' ',
         'libc=' || (SELECT pg_catalog.pg_collation_actual_version(oid) FROM pg_catalog.pg_collation
                      WHERE collprovider = 'c' AND collcollate NOT IN ('', 'C', 'POSIX')
                        AND collcollate NOT LIKE 'C.%' ORDER BY oid LIMIT 1),
         'icu=' || (SELECT pg_catalog.pg_collation_actual_version(oid) FROM pg_catalog.pg_collation
                     WHERE collprovider = 'i' ORDER BY oid LIMIT 1)) AS sorts;
