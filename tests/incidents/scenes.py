"""What tests of incidents share: an alarm that opens as a beat would open it, beats taken one by one, time that passes,
and playbooks whose steps a test writes down."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db.models import F
from django.db.models.functions import Now

from fleet import ring
from fleet.facts import Facts
from fleet.models import Member
from fleet.ports import Ports
from fleet.providers.fake import FakeProvider
from fleet.subject import Subject
from fleet.transports.base import Host
from fleet.transports.fake import FakeShell, FakeSql, World
from incidents import desk, mending, work
from incidents.models import Incident
from incidents.outcomes import Case, Outcome
from incidents.resolvers import RESOLVERS, Playbook
from incidents.telling import Silent
from tests.worlds import NOW

VANTAGE = "test/1"


class Scene:
    """Fakes for the world, and nobody who is told."""

    def __init__(self) -> None:
        self.world, self.provider, self.telling = World(), FakeProvider(), Silent()
        self.ports = Ports(
            shell=lambda host: FakeShell(host, self.world),
            sql=FakeSql(self.world),
            provider=lambda _name: self.provider,
            host_key=lambda _address, _port: "",
        )

    def beat(self, incident: Incident, times: int = 1, stretch: int = 1) -> Incident:
        """Beats of this incident alone, each due at once, of one move or step each."""
        for _time in range(times):
            due(incident)
            claim = ring.claim(Incident.KIND, "work", 1, VANTAGE)
            assert list(claim.ids) == [incident.pk]
            seen = now(incident)
            work.beat(seen, claim, self.ports, VANTAGE, self.telling, stretch)
        return now(incident)

    @property
    def pages(self) -> list[str]:
        return [name for what, name, _more in self.telling.told if what == "page"]

    def heard(self, incident: Incident) -> list[str]:
        """What its customer was told."""
        return [more for what, name, more in self.telling.told if what == "customer" and name == incident.name]


def now(incident: Incident) -> Incident:
    return Incident.objects.select_related("cause").get(pk=incident.pk)


def raise_alarm(member: Member, type_: str, **facts: Any) -> Incident:
    """The alarm opens on the row and is reported, as a beat does it."""
    set_alarm(member, type_, True)
    (incident,) = report(member, type_, **facts)
    return Incident.objects.get(pk=incident.pk)


def report(member: Member, *types: str, **facts: Any) -> list[Incident]:
    return desk.report([desk.Found(member, types, (), Facts(NOW, facts), {}, 313)])


def set_alarm(member: Member, type_: str, is_open: bool) -> None:
    type(member).objects.filter(pk=member.pk).update(watch={type_: [True, 0]} if is_open else {})


def due(incident: Incident) -> None:
    """Its beat is due, and nobody else's is."""
    Incident.objects.exclude(pk=incident.pk).filter(due_at__isnull=False).update(due_at=Now() + timedelta(hours=1))
    Incident.objects.filter(pk=incident.pk).update(due_at=Now() - timedelta(seconds=1), lease=None, leased_until=None)


def pass_time(incident: Incident, seconds: float) -> None:
    """So much time goes by for the incident."""
    past = timedelta(seconds=seconds)
    for name in ("state_since", "step_since", "wait_until"):
        Incident.objects.filter(pk=incident.pk, **{f"{name}__isnull": False}).update(**{name: F(name) - past})


def case(scene: Scene, member: Member, type_: str = "instance_down", step_s: float = 0.0, **facts: Any) -> Case:
    """What a step gets, on a host whose answers are the scene's."""
    host = Host("alpha", "127.0.0.9", host_key="ssh-ed25519 AAAA")
    subject = Subject(
        member.KIND, member.pk, member.name, "down", NOW, provider="fake", host=host, home="/srv/h", bin="/pg",
        data="/srv/h/data", socket="@s", port=5432, major=17,
    )  # fmt: skip
    return Case(scene.ports, type_, f"incident/{member.pk}", "incident x", step_s, member, subject, Facts(NOW, facts))


def playbook(monkeypatch: Any, name: str, *answers: Sequence[Outcome | BaseException]) -> list[str]:
    """Replace a playbook by one whose steps answer these, one list a step; the last answer stays. Returns the list of
    the keys under which steps were taken, which grows."""
    taken: list[str] = []

    def step(left: list[Outcome | BaseException]) -> Any:
        def answer(case: Any) -> Outcome:
            taken.append(case.key)
            said = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(said, BaseException):
                raise said
            return said

        return answer

    steps = tuple(step(list(said)) for said in answers)
    monkeypatch.setitem(RESOLVERS, name, Playbook(name, f"The runbook of {name}.", "0" * 12, steps))
    return taken


def settle(incident: Incident) -> None:
    """The time that a playbook has to take effect is over."""
    pass_time(incident, mending.SETTLE_S + 1)
