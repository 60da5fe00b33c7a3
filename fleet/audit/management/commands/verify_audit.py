from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from fleet.audit import chain


class Command(BaseCommand):
    help = (
        "Verify the chain of the audit record: what is missing, changed or added. Note the last line down "
        "elsewhere: with --expect it proves later that nothing was cut off at the end."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--expect", metavar="N:DIGEST", type=_noted, help="a last line of an earlier run")

    def handle(self, *_args: Any, **options: Any) -> None:
        verdict = chain.verify(options["expect"])
        for problem in verdict.problems:
            self.stderr.write(problem)
        if not verdict.is_whole:
            raise CommandError(f"The audit record is not whole ({verdict.count} links).")
        self.stdout.write(f"The audit record is whole: {verdict.count} links.")
        self.stdout.write(f"{verdict.count}:{verdict.head}")


def _noted(text: str) -> tuple[int, str]:
    position, _, digest = text.partition(":")
    return int(position), digest
