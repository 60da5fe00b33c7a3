-- What in this database would have pg_upgrade run code of somebody who is no superuser, one object a row. pg_upgrade
-- restores the schema as the superuser, and PostgreSQL runs some of it meanwhile:
--
-- * A literal of an array, row or range is read by the checks of the domains in it; so is the first value of an
--   aggregate, and what a column has in rows that are older than it.
-- * An expression of an index, of statistics, of a check, of a partition key or of a generated column is planned: what
--   is immutable there and gets no column is computed. A function of SQL without settings of its own becomes part of
--   the expression first.
--
-- What an expression calls, and whether with a column, is read from the text of its tree.
WITH RECURSIVE theirs AS (
    SELECT pg_proc.oid, proname, provolatile, prosrc, prosqlbody IS NOT NULL AS parsed,
           lanname = 'sql' AND NOT prosecdef AND proconfig IS NULL AS inlined
      FROM pg_catalog.pg_proc
      JOIN pg_catalog.pg_language ON pg_language.oid = prolang
      JOIN pg_catalog.pg_roles ON pg_roles.oid = proowner
     WHERE NOT rolsuper
), trees (class, object, part, tree, planned) AS (
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, adrelid, adnum::pg_catalog.int4, adbin::pg_catalog.text,
           attgenerated <> ''
      FROM pg_catalog.pg_attrdef JOIN pg_catalog.pg_attribute ON attrelid = adrelid AND attnum = adnum
    UNION ALL
    SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass, oid, 0, conbin::pg_catalog.text, true
      FROM pg_catalog.pg_constraint
    UNION ALL
    SELECT 'pg_catalog.pg_rewrite'::pg_catalog.regclass, oid, 0,
           pg_catalog.concat(ev_action::pg_catalog.text, ev_qual::pg_catalog.text), false
      FROM pg_catalog.pg_rewrite WHERE ev_class >= 16384
    UNION ALL
    SELECT 'pg_catalog.pg_policy'::pg_catalog.regclass, oid, 0,
           pg_catalog.concat(polqual::pg_catalog.text, polwithcheck::pg_catalog.text), false
      FROM pg_catalog.pg_policy
    UNION ALL
    SELECT 'pg_catalog.pg_trigger'::pg_catalog.regclass, oid, 0, tgqual::pg_catalog.text, false
      FROM pg_catalog.pg_trigger
    UNION ALL
    SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass, oid, 0, proargdefaults::pg_catalog.text, true
      FROM pg_catalog.pg_proc WHERE oid >= 16384
    UNION ALL
    SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass, oid, 0, prosqlbody::pg_catalog.text, false
      FROM pg_catalog.pg_proc WHERE oid >= 16384
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, indexrelid, 0,
           pg_catalog.concat(indexprs::pg_catalog.text, indpred::pg_catalog.text), true
      FROM pg_catalog.pg_index WHERE indexrelid >= 16384
    UNION ALL
    SELECT 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, oid, 0, stxexprs::pg_catalog.text, true
      FROM pg_catalog.pg_statistic_ext
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, partrelid, 0, partexprs::pg_catalog.text, true
      FROM pg_catalog.pg_partitioned_table
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, oid, 0, relpartbound::pg_catalog.text, true
      FROM pg_catalog.pg_class
    UNION ALL
    SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, oid, 0, typdefaultbin::pg_catalog.text, false
      FROM pg_catalog.pg_type
    UNION ALL
    SELECT 'pg_catalog.pg_publication_rel'::pg_catalog.regclass, oid, 0, prqual::pg_catalog.text, false
      FROM pg_catalog.pg_publication_rel
), expressions AS (
    -- `unbound` is the tree without the numbers of what is called with a column, or with a built-in function of one
    -- column: nothing can compute that before there is a row.
    SELECT class, object, part, tree, planned,
           pg_catalog.regexp_replace(
               tree,
               ':(funcid|opno) \d+( [^{}()]*:args \(({CONST [^{}()]*} )*'
               '(({RELABELTYPE :arg )?{(VAR|COERCETODOMAINVALUE) |'
               '{FUNCEXPR :funcid (\d{1,4}|1[0-5]\d{3}) [^{}()]*:args \('
               '({RELABELTYPE :arg )?{(VAR|COERCETODOMAINVALUE) [^{}]*}([^{}()]*})?\)))',
               ':bound \2', 'g') AS unbound
      FROM trees WHERE tree <> ''
), calls AS (
    SELECT class, object, part, planned, bound,
           CASE kind WHEN 'opno' THEN (SELECT oprcode::pg_catalog.oid FROM pg_catalog.pg_operator
                                        WHERE pg_operator.oid = number::pg_catalog.oid)
                ELSE number::pg_catalog.oid END AS called
      FROM (SELECT class, object, part, planned, false, found[1], found[2]
              FROM expressions,
                   pg_catalog.regexp_matches(unbound, ':(funcid|opno|aggfnoid|winfnoid) (\d+)', 'g') AS found
            UNION
            SELECT class, object, part, planned, true, found[1], found[2]
              FROM expressions,
                   pg_catalog.regexp_matches(tree, ':(funcid|opno|aggfnoid|winfnoid) (\d+)', 'g') AS found
           ) AS mentioned (class, object, part, planned, bound, kind, number)
), types AS (
    SELECT class, object, part, found[1]::pg_catalog.oid AS type
      FROM expressions, pg_catalog.regexp_matches(tree, ':\w+type (\d{5,})', 'g') AS found
), literals AS (
    SELECT class, object, part, found[1]::pg_catalog.oid AS type
      FROM expressions, pg_catalog.regexp_matches(tree, ':consttype (\d{5,})', 'g') AS found
), holds (type, part) AS (
    SELECT oid, typbasetype FROM pg_catalog.pg_type WHERE typbasetype >= 16384
    UNION ALL
    SELECT oid, typelem FROM pg_catalog.pg_type WHERE typelem >= 16384
    UNION ALL
    SELECT reltype, atttypid FROM pg_catalog.pg_class JOIN pg_catalog.pg_attribute ON attrelid = pg_class.oid
     WHERE atttypid >= 16384 AND reltype <> 0
    UNION ALL
    SELECT rngtypid, rngsubtype FROM pg_catalog.pg_range WHERE rngsubtype >= 16384
    UNION ALL
    SELECT rngmultitypid, rngtypid FROM pg_catalog.pg_range WHERE rngtypid >= 16384
    UNION ALL
    SELECT contypid, type FROM types JOIN pg_catalog.pg_constraint ON pg_constraint.oid = object
     WHERE class = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND contypid <> 0 AND contypid <> type
), checked (type) AS (
    -- Types that run something as they are read: of theirs, or of PostgreSQL's own what is not merely computed. What is
    -- stable and takes times alone reads the clock and the time zone.
    SELECT contypid
      FROM calls
      JOIN pg_catalog.pg_constraint ON pg_constraint.oid = object
      JOIN pg_catalog.pg_proc ON pg_proc.oid = called
     WHERE class = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND contypid <> 0
       AND (called IN (SELECT oid FROM theirs) OR provolatile = 'v' OR provolatile = 's' AND EXISTS (
                SELECT FROM pg_catalog.unnest(proargtypes::pg_catalog.oid[]) AS given
                 WHERE given NOT IN (SELECT oid FROM pg_catalog.pg_type WHERE typcategory IN ('D', 'T'))))
    UNION
    SELECT holds.type FROM checked JOIN holds ON part = checked.type
), opaque AS (
    -- Functions that become part of an expression, and may bring along what is computed then.
    SELECT oid FROM theirs AS function
     WHERE inlined
       AND (parsed OR prosrc ~* 'u&'
            OR EXISTS (SELECT FROM checked)
            OR EXISTS (SELECT FROM pg_catalog.pg_operator WHERE oprcode::pg_catalog.oid IN (SELECT oid FROM theirs))
            OR EXISTS (SELECT FROM pg_catalog.pg_cast WHERE castfunc IN (SELECT oid FROM theirs))
            OR EXISTS (SELECT FROM theirs AS other
                        WHERE pg_catalog.strpos(pg_catalog.lower(function.prosrc), pg_catalog.lower(
                                  pg_catalog.replace(other.proname::pg_catalog.text, '"', '""'))) > 0))
)
SELECT DISTINCT pg_catalog.pg_describe_object(class, object, part)
  FROM (SELECT class, object, part FROM calls JOIN theirs ON theirs.oid = called
         WHERE planned AND (NOT bound AND provolatile = 'i' OR called IN (SELECT oid FROM opaque))
        UNION ALL
        SELECT class, object, part FROM literals WHERE type IN (SELECT type FROM checked)
        UNION ALL
        SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass, aggfnoid::pg_catalog.oid, 0 FROM pg_catalog.pg_aggregate
         WHERE agginitval IS NOT NULL AND aggtranstype IN (SELECT type FROM checked)
            OR aggminitval IS NOT NULL AND aggmtranstype IN (SELECT type FROM checked)
        UNION ALL
        SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, attrelid, attnum::pg_catalog.int4 FROM pg_catalog.pg_attribute
         WHERE atthasmissing AND atttypid IN (SELECT type FROM checked)
       ) AS found
 ORDER BY 1;
