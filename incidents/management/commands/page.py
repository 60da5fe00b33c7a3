from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from incidents.models import Notice, Rota
from incidents.notices import channels, outbox


class Command(BaseCommand):
    help = "Send a real test message by each paging channel now, and print the result."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--test", action="store_true", required=True, help="send a test")
        parser.add_argument("--channel", help="only this one, of: " + ", ".join(settings.NOTIFIERS))

    def handle(self, *_args: Any, **options: Any) -> None:
        names = [options["channel"]] if options["channel"] else settings.PAGING
        results = {name: self._prove(name) for name in names}
        if False in results.values():
            raise CommandError("Some paging channels fail.")
        if not any(works for name, works in results.items() if name != "log" or options["channel"]):
            raise CommandError("No channel is configured that reaches a person: no one can be paged.")

    def _prove(self, name: str) -> bool | None:
        """Whether it works; None if it is not configured."""
        try:
            configured = channels.notifier(name) is not None
        except channels.NoSuchChannel as error:
            raise CommandError(str(error)) from error
        if not configured:
            self._say(name, "not configured", f"set {channels.NEEDS.get(name, name)}")
            return None
        recipients = self._recipients(name)
        if not recipients:
            self._say(name, "FAILED", "no person is on call now: add a shift to the rota")
        # Each is tried, also after one that failed.
        sent = [self._send(name, recipient) for recipient in recipients]
        return bool(sent) and all(sent)

    def _recipients(self, name: str) -> list[str]:
        if name == "email":
            return [person.email for person in Rota.on_call(outbox.clock())]
        return [channels.place(settings.WEBHOOK_URL) if name == "webhook" else ""]

    def _send(self, name: str, recipient: str) -> bool:
        notice = outbox.prove(name, recipient)
        sent = notice.state == Notice.SENT
        to = f" to {recipient}" if recipient else ""
        self._say(name, "accepted" if sent else "FAILED", f"{notice.answer}{to}")
        return sent

    def _say(self, name: str, outcome: str, detail: str) -> None:
        self.stdout.write(f"{name:<12}{outcome:<16}{detail}")
