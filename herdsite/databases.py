"""Commands that ask, made from the table of verbs: what a verb takes is an option each, and `intents.ask` refuses the
same as at every door."""

import getpass
from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from fleet import intents, names
from fleet.models import Intent, Member, Resource
from fleet.verbs import Parameter, verb
from herdsite import waiting


def actor() -> str:
    """Who types."""
    return f"{getpass.getuser()} (command line)"


def add_params(parser: CommandParser, params: Iterable[Parameter]) -> None:
    for param in params:
        option, dest = f"--{param.name.replace('_', '-')}", f"param_{param.name}"
        if param.type.of is bool:
            parser.add_argument(option, dest=dest, action="store_true", help=param.help)
        else:
            parser.add_argument(option, dest=dest, default="", metavar=param.type.metavar, help=param.help)


def add_asking(parser: CommandParser, grave: bool = True) -> None:
    """What every verb takes; `confirm` is for what leaves data behind."""
    parser.add_argument("--reason", default="", help="why; kept with its events, and needed for what is grave")
    if grave:
        parser.add_argument("--confirm", default="", metavar="NAME", help="the name again, for what leaves data behind")
    parser.add_argument("--again", action="store_true", help="although somebody asked for the same a moment ago")


def ask(member: Member, verb: str, options: dict[str, Any], params: dict[str, Any] | None = None) -> Intent:
    """Ask it, with what was given of its params. CommandError when it can't be."""
    given = {
        name.removeprefix("param_"): value for name, value in options.items() if name.startswith("param_") and value
    }
    try:
        return intents.ask(
            member,
            verb,
            actor=actor(),
            reason=options["reason"],
            confirm=options.get("confirm", ""),
            params=given if params is None else params,
            key=options.get("key"),
            again=options.get("again", False),
        )
    except intents.AskError as error:
        raise CommandError(str(error)) from error


class DatabaseCommand(BaseCommand):
    """A command whose argument NAME is a database's."""

    def find(self, options: dict[str, Any]) -> Resource:
        try:
            found = names.find(options["name"])
        except names.NotFound as error:
            raise CommandError(str(error)) from error
        if not isinstance(found, Resource):
            raise CommandError(f"{found.name} is of kind {found.KIND}: name the database.")
        return found


class AskingCommand(DatabaseCommand):
    """One that asks a database for `verb`, and waits for its end where that is wanted."""

    verb = ""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="the database")
        known = verb(Resource.KIND, self.verb)
        assert known is not None
        add_asking(parser, known.may_be_grave)
        parser.add_argument("--wait", type=float, default=0, metavar="SECONDS", help="wait for its end")

    def params(self, _options: dict[str, Any]) -> dict[str, Any]:
        return {}

    def handle(self, *_args: Any, **options: Any) -> None:
        intent = ask(self.find(options), self.verb, options, self.params(options))
        self.stdout.write(f"requested: {self.verb} {intent.name} ({intent.pk})")
        if options["wait"]:
            self.stdout.write(f"done: {waiting.for_end(intent, options['wait'], self.stdout)}")
