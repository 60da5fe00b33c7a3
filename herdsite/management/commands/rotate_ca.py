from typing import Any

from django.core.management.base import BaseCommand, CommandError

from fleet import rotation


class Command(BaseCommand):
    help = (
        "Change the herd's CA, one step at a time: a new one is trusted beside the present one, then it signs, then "
        "the old one is not trusted any more. Each run takes the next step, or lists what is not ready for it."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        try:
            self.stdout.write(rotation.rotate())
        except rotation.NotYet as error:
            raise CommandError(str(error)) from error
