import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.dateparse import parse_datetime

from fleet import names
from fleet.audit.models import Entry, Link


class Command(BaseCommand):
    help = "The audit record as JSON lines, oldest first: each entry with its place in the chain and its digest."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--since", metavar="TIME", help="entries from this moment on (2030-01-31T12:00Z)")
        parser.add_argument("--thing", metavar="NAME", help="entries about this thing alone")

    def handle(self, *_args: Any, **options: Any) -> None:
        found = Entry.objects.order_by("id")
        if options["since"]:
            moment = parse_datetime(options["since"])
            if moment is None or moment.tzinfo is None:
                raise CommandError("--since wants a moment with its zone, like 2030-01-31T12:00Z.")
            found = found.filter(at__gte=moment)
        if options["thing"]:
            holder = names.holder(options["thing"])
            if holder is None:
                raise CommandError(f"There is nothing named {options['thing']!r}.")
            found = found.filter(subject=str(holder.pk))
        page: list[dict[str, Any]] = []
        for entry in found.values().iterator(chunk_size=1_000):
            page.append(dict(entry))
            if len(page) == 1_000:
                self._write(page)
                page = []
        self._write(page)

    def _write(self, page: list[dict[str, Any]]) -> None:
        links = {link.entry: link for link in Link.objects.filter(entry__in=[entry["id"] for entry in page])}
        for entry in page:
            link = links.get(entry["id"])
            place = {"position": link.position, "digest": bytes(link.digest).hex()} if link else {}
            self.stdout.write(json.dumps(entry | place, default=str, ensure_ascii=False))
