"""Make a database ready for herdsite: verify it, migrate it, make everything due, and in a fresh one make the
operator's login.

`up` runs it at every start. Where herdsite is deployed by other means, run it with each release.
"""

import secrets
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from fleet import ring
from fleet.models import MEMBERS
from herdsite.database import verify_database
from herdsite.keys import write_once

OPERATOR = "operator"


class Command(BaseCommand):
    help = "Verify and migrate the database, and make the first operator's login."
    requires_system_checks: list[str] = []

    def handle(self, *_args: Any, **options: Any) -> None:
        for alias in connections:
            try:
                verify_database(connections[alias])
            except ImproperlyConfigured as error:
                raise CommandError(str(error)) from error
            call_command("migrate", database=alias, verbosity=options["verbosity"], interactive=False)
        self.login()
        # Nobody may have looked for a while, and what the rows say is as old as that.
        for kind, model in MEMBERS.items():
            ring.nudge(kind, model.objects.values_list("pk", flat=True))

    def login(self) -> None:
        """A fresh database gets an operator; the note of a password that was changed since is dropped."""
        users, note = get_user_model().objects, settings.VAR / "operator_password"
        if not users.exists():
            note.unlink(missing_ok=True)
            users.create_superuser(OPERATOR, password=write_once(note, secrets.token_urlsafe(12)).strip())
            self.stdout.write(f"made the login {OPERATOR}; its password is in {note}")
        elif note.exists():
            operator = users.filter(username=OPERATOR).first()
            if operator is None or not operator.check_password(note.read_text().strip()):
                note.unlink()
