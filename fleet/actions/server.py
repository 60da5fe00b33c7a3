"""What can be done about a machine, through its provider."""

from fleet import retiring
from fleet.actions.base import Acting, Action, ActionError, answered, fulfil, refuse
from fleet.models import Server
from fleet.transports.pinning import fingerprint


def create_machine(server: Server, acting: Acting) -> None:
    acting.ports.provider(server.provider).create(server.name, server.zone, server.disk_mb)


def start_machine(server: Server, acting: Acting) -> None:
    acting.ports.provider(server.provider).start(server.name)


def destroy_machine(server: Server, acting: Acting) -> None:
    acting.ports.provider(server.provider).destroy(server.name)


def introduce(server: Server, acting: Acting) -> str:
    """Pin the host's key and note where everything is on it. A key that is pinned already is never replaced here."""
    machine = acting.ports.provider(server.provider).describe(server.name)
    if not machine.address:
        raise ActionError(f"The provider {server.provider!r} does not say the address of {server.name}.")
    if not machine.pg:
        raise ActionError(
            f"{server.name} has no PostgreSQL: install it there, or name its bin folders to the provider."
        )
    # A provider that does not know the key leaves us to trust the first one that is shown.
    key = server.host_key or machine.host_key or acting.ports.host_key(machine.address, machine.port)
    Server.objects.filter(pk=server.pk).update(
        address=machine.address,
        ssh_port=machine.port,
        ssh_user=machine.user,
        host_key=key,
        home=machine.home,
        bind=machine.bind,
        pg={str(major): path for major, path in machine.pg.items()},
    )
    return f"{machine.user}@{machine.address}:{machine.port}, {fingerprint(key)} is pinned"


def retire(server: Server, acting: Acting) -> str | None:
    """Note the date, which its next beats and its incident's playbook go by."""
    given = (acting.intent.params if acting.intent else {}).get("by")
    by = retiring.moment(given) if given else acting.subject.now + retiring.NOTICE
    retiring.note(server, by)
    return answered(acting, f"by {by:%Y-%m-%d %H:%M} UTC everything on this server has to be elsewhere")


def keep(server: Server, acting: Acting) -> str | None:
    """Forget the date."""
    retiring.note(server, None)
    return answered(acting, "the server stays in service; planned changeovers stay planned until they are cancelled")


ACTIONS: dict[str, Action] = {
    "create_machine": create_machine,
    "start_machine": start_machine,
    "destroy_machine": destroy_machine,
    "introduce": introduce,
    "retire": retire,
    "keep": keep,
    "fulfil": fulfil,
    "refuse": refuse,
}
