"""The database that those of the tests are copied from: migrated once, for all processes of all parts.

`python -m tests.template` makes it on the server of this HERDSITE_VAR, which is told not to wait for its disk: what it
has is of no use once the tests have ended.
"""

import os
import signal

import django
from django.conf import settings
from django.db import connection

from herdsite.embedded import Embedded

# The variable that names it to the tests (tests/conftest.py); without it each process migrates a database of its own.
VARIABLE = "TESTS_TEMPLATE"
NAME = "herdsite_template"
CARELESS = "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n"


def main() -> None:
    django.setup()
    data = Embedded(settings.VAR).data
    conf = data / "postgresql.conf"
    if CARELESS not in conf.read_text():
        with conf.open("a") as file:
            file.write(CARELESS)
        os.kill(int((data / "postmaster.pid").read_text().split("\n")[0]), signal.SIGHUP)
    connection.settings_dict["TEST"]["NAME"] = NAME
    with connection._nodb_cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {NAME}")
    connection.creation.create_test_db(verbosity=0, serialize=False)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "herdsite.settings")
    main()
