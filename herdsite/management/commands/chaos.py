from typing import Any

from django.core.management.base import CommandError, CommandParser

from fleet.models import Instance, Member, Server
from fleet.providers.base import ProviderError
from fleet.providers.local import chaos
from fleet.providers.local.provider import LocalProvider
from fleet.states import DESTROYED
from herdsite import wiring
from herdsite.naming import NamedCommand

FAULTS = {
    "kill-postgres": "kill -9 the postmaster (of a server: every postmaster on it)",
    "kill-host": "kill -9 everything on the host: the machine is lost",
    "pause-host": "freeze the host; it still accepts connections and never answers",
    "cut-network": "hold traffic to the host, or from it (--direction)",
    "fill-disk": "fill the disk of the host",
    "skew": "shift the clock of the host (--seconds)",
    "heal": "undo all faults, and switch the host on",
}


class Command(NamedCommand):
    help = "Break a local host, for real, to see what herdsite does about it; `heal` undoes it. " + "; ".join(
        f"{fault}: {meaning}" for fault, meaning in FAULTS.items()
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("fault", choices=FAULTS, metavar="FAULT", help=", ".join(FAULTS))
        parser.add_argument(
            "--direction", choices=chaos.DIRECTIONS, default="both", help="of cut-network, seen from the host"
        )
        parser.add_argument("--seconds", type=float, default=120, help="of skew: how far ahead, or behind if negative")

    def handle(self, *_args: Any, **options: Any) -> None:
        member = self.find(options)
        server, instance = beneath(member)
        if server.provider != "local":
            raise CommandError(
                f"{server.name} is no local host (its provider is {server.provider}): chaos works on local hosts only."
            )
        provider = wiring.provider("local")
        assert isinstance(provider, LocalProvider)
        fault = options["fault"]
        try:
            if fault == "kill-postgres":
                chaos.kill_postgres(provider, server.name, instance.data if instance else None)
            elif fault == "cut-network":
                chaos.cut_network(provider, server.name, options["direction"])
            elif fault == "skew":
                chaos.skew_clock(provider, server.name, options["seconds"])
            else:
                getattr(chaos, fault.replace("-", "_"))(provider, server.name)
        except ProviderError as error:
            raise CommandError(str(error)) from error
        on = ", ".join(server.instances.exclude(state=DESTROYED).values_list("name", flat=True)) or "nothing"
        self.stdout.write(f"{fault} on {server.name}, with instances: {on}")
        if fault != "heal":
            self.stdout.write(f"watch: manage.py explain {member.name}    undo: manage.py chaos {server.name} heal")


def beneath(member: Member) -> tuple[Server, Instance | None]:
    """The server that a thing lives on, and the instance that is meant (None: all of the server)."""
    if isinstance(member, Server):
        return member, None
    instance = member if isinstance(member, Instance) else member.instance  # type: ignore[attr-defined]
    if instance is None:
        raise CommandError(f"{member.name} has no instance yet.")
    return instance.server, instance
