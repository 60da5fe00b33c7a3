"""A database with high availability in a fake herd: a leader in zone a, its standby in zone b whose word its commits
wait for, and a stable address. Everything about it is well, and settled long ago."""

from collections.abc import Callable
from dataclasses import dataclass

from django.utils import timezone

from fleet import policy, streams, subjects
from fleet.models import MEMBERS, Address, Changeover, Credential, Instance, Resource
from fleet.ports import Ports
from fleet.postgres.config import DYNAMIC, MONITOR, REPLICA
from fleet.transports.base import Unreachable
from herdsite.turns import Turn
from incidents.models import PlaybookPolicy
from incidents.models.incident import NEVER
from tests import factories
from tests.fakeherd import SETTING, FakeHerd
from tests.herd import again, change, expire

KINDS = ("resource", "instance", "address", "changeover")
ROUNDS = 40


@dataclass
class Premium:
    """`round` lets every member have a beat; `settle` goes on until something is so."""

    herd: FakeHerd
    resource: Resource
    leader: Instance
    standby: Instance

    def __post_init__(self) -> None:
        self.rounds = 0

    def round(self, ports: Ports | None = None) -> None:
        expire()
        self.rounds += 1
        for kind in KINDS:
            MEMBERS[kind].objects.update(queue=policy.WORK)
            Turn(policy.WORK, ports or self.herd.ports, f"here/{self.rounds}").once(kind, 8)
        self.herd.pass_time()

    def settle(self, done: Callable[[], object], rounds: int = ROUNDS) -> None:
        for _ in range(rounds):
            if done():
                return
            self.round()
        raise AssertionError(f"it does not come to rest: {self.told()}")

    def told(self) -> str:
        rows = [row for kind in KINDS for row in MEMBERS[kind].objects.all()]
        marks = [one.marks for one in Changeover.objects.all()]
        return "; ".join(f"{row} {row.state} (row {row.row}) {row.problem}" for row in rows) + f"; {marks}"

    def whole(self) -> bool:
        """Led, stood by, addressed, and nothing can be lost."""
        resource = again(self.resource)
        members = [again(self.leader), again(self.standby)]
        return (
            resource.state == "available"
            and resource.quorum["says"] == "cant_lose"
            and all(one.state == "available" and not one.outdated for one in members)
            and self.leads_to() == resource.instance.server.name
        )

    def leads_to(self) -> str:
        """The machine that its address leads to."""
        return self.herd.provider.endpoints[f"{self.resource.name}-address"].machine

    def lose(self, instance: Instance, known: bool = True) -> None:
        """Its host is gone; `known`: that is proven already."""
        self.herd.clusters[instance.data].runs = False
        self.herd.world.fail(instance.server.name, Unreachable(f"{instance.server.name}: no answer"))
        self.herd.silent.add(self.herd.place(instance))
        if known:
            change(instance, state="down")

    def by_hand(self) -> None:
        """herdsite does not fail it over by itself."""
        PlaybookPolicy.objects.create(resolver="failover", mode=NEVER, resource=self.resource)

    def bring_back(self, instance: Instance) -> None:
        """Its host is there again, without a postmaster."""
        self.herd.world.heal(instance.server.name)
        self.herd.silent.discard(self.herd.place(instance))
        self.herd.boots[instance.server.name] += 1


def premium(herd: FakeHerd, name: str = "shop") -> Premium:
    plan = factories.plan("premium-0")
    leader = factories.instance(name=f"{name}-1", server=herd.machine(zone="a"), plan=plan)
    resource = factories.resource(name=name, instance=leader, plan=plan)
    standby = factories.instance(
        name=f"{name}-2", server=herd.machine(zone="b"), plan=plan, role=Instance.STANDBY, upstream=leader,
        standby_for=resource, timeline=leader.timeline, attrs={"boot_id": "boot-0"},
    )  # fmt: skip
    record = {"required": [standby.slot], "says": "cant_lose", "serial": 1, "shown": True, "since_lsn": 1}
    change(resource, quorum=record)
    standby.upstream = leader
    for one in (leader, standby):
        one.facts = {"capacity": f"max_connections={herd.run(one).connections}"}
        Credential.objects.create(purpose=Credential.MONITOR, instance=one, role=MONITOR, secret="watching")
        Credential.objects.create(purpose=Credential.REPLICA, instance=one, role=REPLICA, secret="streaming")
        files = streams.files(one, subjects.monitored(one, timezone.now()))
        herd.clusters[one.data].told = dict(SETTING.findall(files[DYNAMIC]))
        told = streams.wanted(one, streams.quorum(one))
        change(one, attrs={"boot_id": "boot-0", "told": told}, facts=one.facts)
    herd.clusters[standby.data].standby = True
    herd.clusters[standby.data].databases = herd.clusters[leader.data].databases
    address = Address(
        name=f"{name}-address", resource=resource, provider=leader.server.provider, port=leader.port,
        state="attached", queue="feel", attrs={"served": "true"},
    )  # fmt: skip
    address.endpoint = herd.provider.allocate(address.name, address.port).address
    herd.provider.associate(address.name, leader.server.name, resource.generation)
    address.target = leader.server.name
    address.save(force_insert=True)
    # With their servers: a thread that fences has no way to a test's database.
    members = Instance.objects.select_related("server")
    return Premium(herd, again(resource), members.get(pk=leader.pk), members.get(pk=standby.pk))
