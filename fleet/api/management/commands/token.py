from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from fleet.api import tokens
from fleet.api.models import Token
from fleet.choices import AskError
from fleet.models import Customer
from fleet.roles import READ, SCOPES


class Command(BaseCommand):
    help = (
        "Tokens by which programs log in to the API: create, list, revoke. A new token is printed once, and not kept."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        does = parser.add_subparsers(dest="does", required=True)
        create = does.add_parser("create", help="make a token for a login and print it")
        create.add_argument("login")
        create.add_argument("--name", required=True, help="purpose of the token")
        create.add_argument("--scope", action="append", choices=SCOPES, help="may be given again (default: read)")
        create.add_argument("--customer", help="the customer whose databases alone it shows")
        create.add_argument("--days", type=int, default=90, help="how long the token is valid (default %(default)s)")
        does.add_parser("list", help="list all tokens")
        revoke = does.add_parser("revoke", help="end one")
        revoke.add_argument("token", help="name of the token, or its id where several tokens have that name")

    def handle(self, *_args: Any, **options: Any) -> None:
        getattr(self, options["does"])(options)

    def create(self, options: dict[str, Any]) -> None:
        user = _found(get_user_model().objects.filter(username=options["login"]), "login", options["login"])
        customer = options["customer"] and _found(
            Customer.objects.filter(name=options["customer"]), "customer", options["customer"]
        )
        try:
            scopes, days = options["scope"] or [READ], options["days"]
            _token, text = tokens.make(user, options["name"], scopes, days, customer or None)
        except AskError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(text)

    def list(self, _options: dict[str, Any]) -> None:
        for token in Token.objects.select_related("user", "customer"):
            words = [str(token.pk), str(token), ",".join(token.scopes)]
            words += [f"for {token.customer}"] if token.customer else []
            for word, at in (("until", token.expiry), ("used", token.last_used), ("revoked", token.revoked_at)):
                words += [f"{word} {at:%F %R}"] if at else []
            self.stdout.write("  ".join(words))

    def revoke(self, options: dict[str, Any]) -> None:
        found = Token.objects.filter(revoked_at=None)
        chosen = [token for token in found if options["token"] in (token.name, str(token.pk))]
        if len(chosen) != 1:
            raise CommandError(f"{len(chosen)} tokens are named {options['token']!r}: `token list` shows their ids.")
        tokens.revoke(found.filter(pk=chosen[0].pk))
        self.stdout.write(f"revoked {chosen[0]}")


def _found(queryset: Any, what: str, name: str) -> Any:
    if found := queryset.first():
        return found
    raise CommandError(f"There is no {what} {name!r}.")
