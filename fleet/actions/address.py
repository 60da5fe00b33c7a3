"""What can be done about a stable address, through its provider."""

from fleet.actions.base import Acting, Action, ActionError, fulfil, refuse
from fleet.models import Address


def allocate(address: Address, acting: Acting) -> str:
    """Have the provider make it, and note what customers are to use."""
    endpoint = acting.ports.provider(address.provider).allocate(address.name, address.port)
    Address.objects.filter(pk=address.pk).update(endpoint=endpoint.address)
    return f"{endpoint.address}:{address.port}"


def associate(address: Address, acting: Acting) -> str:
    """Lead it to the leader; from then on it is the one that customers use."""
    leader = address.resource.instance
    if leader is None:
        raise ActionError("The database of this address has no leader.")
    acting.ports.provider(address.provider).associate(address.name, leader.server.name, address.resource.generation)
    address.attrs["served"] = "true"
    Address.objects.filter(pk=address.pk).update(target=leader.server.name, attrs=address.attrs)
    return f"to {leader.name} on {leader.server.name}"


def detach_it(address: Address, acting: Acting) -> None:
    """Lead it nowhere. Its next beats put it back: this is for proving that they do."""
    acting.ports.provider(address.provider).disassociate(address.name)
    fulfil(address, acting)


def release(address: Address, acting: Acting) -> None:
    acting.ports.provider(address.provider).release_address(address.name)


ACTIONS: dict[str, Action] = {
    "allocate": allocate,
    "associate": associate,
    "detach_it": detach_it,
    "release": release,
    "fulfil": fulfil,
    "refuse": refuse,
}
