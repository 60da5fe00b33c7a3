"""Extensions that only a superuser may make and that a customer's database may have all the same: they are made before
anything of a dump is there, by name from this table and never by what a dump says. Pure.

What is here gives its users nothing beyond their own database: no files, no network, no other database, no powers over
the server. Those that PostgreSQL trusts (hstore, citext, …) need no row, since their owner may make them."""

SAFE = {
    # extension            why it does no harm
    "amcheck": "only superusers may call its functions",
    "autoinc": "a trigger's function, which sets a column of its own row",
    "bloom": "a kind of index, which holds what its table holds",
    "earthdistance": "arithmetic; PostgreSQL distrusts only where it is made, which is an empty database here",
    "insert_username": "a trigger's function, which sets a column of its own row",
    "moddatetime": "a trigger's function, which sets a column of its own row",
    "pageinspect": "only superusers may call its functions",
    "pg_buffercache": "only monitoring roles may call its functions",
    "pg_freespacemap": "only monitoring roles may call its functions",
    "pg_prewarm": "reads into memory what its caller may read anyway",
    "pg_stat_statements": "shows each role its own statements; others' only to monitoring roles",
    "pg_visibility": "only monitoring roles may call its functions",
    "pgrowlocks": "tells who locks rows of a table that its caller may read",
    "pgstattuple": "only monitoring roles may call its functions",
    "refint": "triggers' functions, which run as whoever writes",
    "sslinfo": "tells a client of its own connection",
}
