from collections.abc import Iterator
from typing import Any

from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.sessions.models import Session
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from fleet.audit import record


class Command(BaseCommand):
    help = "Lists the sessions of the portal and the admin, and ends those of a login."

    def add_arguments(self, parser: CommandParser) -> None:
        does = parser.add_subparsers(dest="does", required=True)
        does.add_parser("list", help="the sessions by login, with their end")
        revoke = does.add_parser("revoke", help="end all sessions of a login")
        revoke.add_argument("login")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["does"] == "list":
            for login, session in sorted(_sessions(), key=lambda found: (found[0], found[1].expire_date)):
                self.stdout.write(f"{login}  until {session.expire_date:%F %R} UTC")
            return
        login = options["login"]
        if not get_user_model().objects.filter(username=login).exists():
            raise CommandError(f"There is no login {login!r}.")
        ended = [session for name, session in _sessions() if name == login]
        Session.objects.filter(pk__in=[session.pk for session in ended]).delete()
        record.write("ended sessions", kind="user", name=login, after={"sessions": len(ended)})
        self.stdout.write(f"{len(ended)} session(s) of {login} ended")


def _sessions() -> Iterator[tuple[str, Session]]:
    """Each session that still counts, with its login."""
    logins = {str(pk): name for pk, name in get_user_model().objects.values_list("pk", "username")}
    for session in Session.objects.filter(expire_date__gt=timezone.now()).iterator():
        login = logins.get(str(session.get_decoded().get(SESSION_KEY)))
        if login:
            yield login, session
