"""Whether a database can be herdsite's, told in words that its owner can act on.

The embedded one always can. One that somebody names in DATABASE_URL may be unreachable, too old, without hstore, or
not open to us, and each of these is better heard before the first migration than out of the middle of one.
"""

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, NotSupportedError, OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

OLDEST = 15


def verify_database(connection: BaseDatabaseWrapper) -> None:
    """Make sure that herdsite can live in this database, and that hstore is in it.

    Raises ImproperlyConfigured, saying what is wrong and what to do.
    """
    if connection.vendor != "postgresql":
        raise ImproperlyConfigured(f"DATABASE_URL is for {connection.vendor}; herdsite needs PostgreSQL")
    where = "{USER}@{HOST}:{PORT}/{NAME}".format(**connection.settings_dict)
    try:
        connection.ensure_connection()
    except OperationalError as error:
        raise ImproperlyConfigured(f"can't connect to {where}: {error}".strip()) from error
    except NotSupportedError as error:
        raise ImproperlyConfigured(f"{where} is too old, herdsite needs PostgreSQL {OLDEST}: {error}") from error
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version_num')::int / 10000, current_setting('server_version')")
        major, version = cursor.fetchone()
        if major < OLDEST:
            raise ImproperlyConfigured(f"{where} runs PostgreSQL {version}; herdsite needs {OLDEST} or newer")
        cursor.execute("SELECT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)")
        if not cursor.fetchone()[0]:
            raise ImproperlyConfigured(
                f"{where} may not make tables; ask your DBA: GRANT CREATE ON SCHEMA public TO "
                f"{connection.ops.quote_name(connection.settings_dict['USER'])};"
            )
        _verify_hstore(cursor, where)


def _verify_hstore(cursor, where: str) -> None:
    cursor.execute("SELECT installed_version FROM pg_available_extensions WHERE name = 'hstore'")
    row = cursor.fetchone()
    if row is None:
        raise ImproperlyConfigured(f"{where} has no hstore to install; ask your DBA for PostgreSQL's contrib package")
    if row[0] is not None:
        return
    try:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS hstore")
    except DatabaseError as error:
        raise ImproperlyConfigured(
            f"{where} has no hstore and {str(error).splitlines()[0]}; ask your DBA: CREATE EXTENSION hstore;"
        ) from error
