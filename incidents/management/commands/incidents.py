from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from incidents import desk, playbooks
from incidents.models import Incident


class Command(BaseCommand):
    help = "List open incidents, what is tried about each, and who has acknowledged it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--all", action="store_true", help="also the latest 50 that are resolved")
        parser.add_argument("--rates", action="store_true", help="how often each playbook has resolved its incidents")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["rates"]:
            self._rates()
            return
        found = Incident.objects.all() if options["all"] else desk.open_incidents()
        rows = list(found.select_related("cause")[:50])
        for incident in rows:
            self.stdout.write(
                f"{incident.created_at:%Y-%m-%d %H:%M:%S}  {incident.state:<12} {incident.severity:<5} "
                f"{incident.name:<44} {_word(incident)}".rstrip()
            )
        if not rows:
            self.stdout.write("nothing is wrong")

    def _rates(self) -> None:
        self.stdout.write(f"{'playbook':<24}{'began':>7}{'mended':>8}{'share':>8}")
        for rate in playbooks.rates():
            share = 100 * rate.mended / rate.began if rate.began else 0
            self.stdout.write(f"{rate.resolver:<24}{rate.began:>7}{rate.mended:>8}{share:>7.0f}%")


def _word(incident: Incident) -> str:
    """What is most worth knowing of it."""
    if incident.cause and incident.cause.is_open:
        return f"under {incident.cause.name}"
    hands = incident.assigned_to or incident.acknowledged_by
    return ", ".join(filter(None, (incident.resolver, hands and f"handled by {hands}", incident.problem)))
