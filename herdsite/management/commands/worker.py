from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from fleet.policy import QUEUES
from herdsite import cluster


class Command(BaseCommand):
    help = "The workers of one queue (a django-q2 cluster). Any number may run, on any number of machines."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("queue", choices=QUEUES, help="the queue that they work on")

    def handle(self, *_args: Any, **options: Any) -> None:
        cluster.run(options["queue"])
