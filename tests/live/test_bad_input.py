"""What goes wrong with real parts: the error stands where the person looks, and it mends once its cause is gone."""

import pytest

from fleet import intents
from fleet.models import Customer, Event, Instance, Resource, Server
from fleet.providers.local import chaos
from tests.liveherd import Herd, available, until

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]


@pytest.fixture(scope="module", autouse=True)
def grown(herd: Herd):
    herd.grow(servers=2, production=1, starters=1)


@pytest.fixture(autouse=True)
def mended(herd: Herd, grown):
    """Whatever a test broke and left so."""
    before = {server.name: server for server in Server.objects.filter(name__in=("live-0", "live-1"))}
    yield
    for name, server in before.items():
        chaos.heal(herd.provider, name)
        Server.objects.filter(name=name).update(capacity=4, pg=server.pg, host_key=server.host_key)


def customer() -> Customer:
    return Customer.objects.get(name="live")


def test_a_full_disk_while_provisioning_is_told_and_mends_itself_when_there_is_room(herd: Herd):
    """Only a real file system shows which words initdb says when it is full, and whether the build then goes on."""
    server = Server.objects.get(name="live-1")
    Server.objects.exclude(pk=server.pk).update(capacity=0)
    chaos.fill_disk(herd.provider, server.name)
    resource = intents.create_resource(customer(), "standard-0", actor="test")
    until(lambda: told_of(resource), "what hinders it")
    assert any(words in told_of(resource) for words in ("No space left", "File too large", "File size limit"))
    chaos.heal(herd.provider, server.name)
    until(lambda: available(Resource, [resource]), "built after all")
    assert told_of(resource) == ""


def test_a_build_that_fails_three_times_waits_for_a_person_and_goes_on_when_asked(herd: Herd):
    """Only a real host shows what its shell says of a program that it does not have."""
    server = Server.objects.get(name="live-1")
    Server.objects.exclude(pk=server.pk).update(capacity=0)
    Server.objects.filter(pk=server.pk).update(pg={"17": "/nowhere/bin"})
    resource = intents.create_resource(customer(), "standard-0", actor="test")
    until(lambda: Instance.objects.filter(resources=resource.pk, row=209).exists(), "three tries, then a person")
    instance = Instance.objects.get(resources=resource.pk)
    assert "/nowhere/bin" in instance.problem
    assert "retry" in instance.why
    Server.objects.update(pg=server.pg, capacity=4)
    intents.ask(instance, "retry", actor="test", reason="its programs are found now")
    until(lambda: available(Resource, [resource]), "built after all")


def told_of(resource: Resource) -> str:
    """What a person reads about the building of it."""
    return "".join(Instance.objects.filter(resources=resource.pk).values_list("problem", flat=True))


def test_no_room_is_told_and_mends_itself_when_there_is_some(herd: Herd):
    """Only running workers show that a resource without a place is looked at again by itself, and is then built."""
    Server.objects.update(capacity=0)
    resource = intents.create_resource(customer(), "standard-0", actor="test")
    until(lambda: "has room" in Resource.objects.get(pk=resource.pk).problem, "why it has no place")
    Server.objects.update(capacity=4)
    until(lambda: available(Resource, [resource]), "room")
    assert Resource.objects.get(pk=resource.pk).problem == ""


def test_a_provider_out_of_capacity_is_told(herd: Herd):
    """Only real local hosts show that machines that were refused halfway leave nothing on the disk."""
    names = [intents.create_server(f"many-{n}", actor="test", zone="a").name for n in range(30)]
    until(lambda: Server.objects.filter(name__in=names).exclude(problem="").exists(), "the provider's limit")
    told = Server.objects.filter(name__in=names).exclude(problem="").first()
    assert "capacity" in told.problem or "room" in told.problem, told.problem
    for server in Server.objects.filter(name__in=names):
        intents.ask(server, "destroy", actor="test", confirm=server.name, reason="it was only a test")
    left = Server.objects.filter(name__in=names).exclude(state="destroyed")
    until(lambda: not left.exists(), "taken away again", 120)
    assert not set(names) & set(herd.provider.names())


def test_a_changed_host_key_is_refused_and_told(herd: Herd):
    """Only a real SSH server has a key that differs from the pinned one; and doubt must not become a failover."""
    server = Server.objects.get(name="live-0")
    other = Server.objects.get(name="live-1")
    pinned = server.host_key
    Server.objects.filter(pk=server.pk).update(host_key=other.host_key)
    until(lambda: Server.objects.get(pk=server.pk).state == "uncertain", "doubt")
    until(lambda: "ssh_why" in Server.objects.get(pk=server.pk).facts, "why")
    why = Server.objects.get(pk=server.pk).facts["ssh_why"]
    assert "host key changed" in why and why.count("SHA256:") == 2
    Server.objects.filter(pk=server.pk).update(host_key=pinned)
    until(lambda: available(Server, [server]), "back with the right key")
    assert not Event.objects.filter(subject=server.pk, verb="go_down").exists()


def test_destroying_leaves_the_record_and_nothing_on_the_host(herd: Herd):
    """Only a real host has the files of a real cluster that have to be gone."""
    resource = Resource.objects.filter(plan="standard-0", state="available").first()
    instance = resource.instance
    data = herd.provider.existing(instance.server.name).home / "instances" / instance.name
    assert data.exists()
    intents.ask(resource, "destroy", actor="test", confirm=resource.name, reason="it was only a test")
    until(lambda: Resource.objects.get(pk=resource.pk).state == "destroyed", "gone")
    assert Instance.objects.get(pk=instance.pk).state == "destroyed"
    assert not (data / "data").exists()
    assert Event.objects.filter(subject=resource.pk, verb="bury").exists()
