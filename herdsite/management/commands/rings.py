import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db.models import Count, Sum

from fleet import ring, workers
from fleet.models import Worker


class Command(BaseCommand):
    help = "Show each ring: members, due, leased, the latest beat, the oldest look; and the workers of each queue."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--watch", action="store_true", help="again every two seconds, until Ctrl-C")

    def handle(self, *_args: Any, **options: Any) -> None:
        self._show()
        while options["watch"]:
            time.sleep(2)
            self._show()

    def _show(self) -> None:
        self.stdout.write(f"{'ring':<20}{'members':>9}{'due':>7}{'leased':>8}{'latest_s':>10}{'oldest_look_s':>15}")
        for at in ring.standings():
            name = f"{at.kind}/{at.queue}"
            self.stdout.write(f"{name:<20}{at.members:>9}{at.due:>7}{at.leased:>8}{at.late_s:>10.1f}{at.age_s:>15.1f}")
        workers.forget_gone()
        self.stdout.write(f"\n{'queue':<20}{'workers':>9}{'beats/s':>9}{'beats':>12}{'errors':>8}{'rss_mb':>8}")
        rows = Worker.objects.values("queue").annotate(
            n=Count("name"), rate=Sum("beats_per_s"), total=Sum("beats"), wrong=Sum("errors"), rss=Sum("rss_mb")
        )
        for row in rows.order_by("queue"):
            self.stdout.write(
                f"{row['queue']:<20}{row['n']:>9}{row['rate']:>9.1f}{row['total']:>12}{row['wrong']:>8}{row['rss']:>8.0f}"
            )
        if not rows:
            self.stdout.write("no worker has reported lately: start `manage.py clock` and `manage.py worker QUEUE`")
