"""One tenant of a shared instance takes its locks: found, ended, told; if repeated suspended, and let in again."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from fleet import intents, policy, ring, tenants
from fleet.models import Credential, Event, Instance, Resource
from fleet.postgres.config import MONITOR
from fleet.transports.base import Refused
from herdsite.turns import Turn
from incidents import work
from incidents.models import Incident, Journal
from incidents.models.notices import Notice
from incidents.notices import desk as notices
from incidents.outcomes import CantAct
from incidents.resolvers import end_lock_holder
from tests import factories
from tests.fakeherd import FakeHerd
from tests.herd import again, change, due
from tests.incidents.scenes import Scene, case, now, pass_time

pytestmark = pytest.mark.django_db

FULL = Refused("FATAL: out of shared memory", "53200")


class Herd(FakeHerd):
    """Whose PostgreSQL refuses every login while its lock table is `full`, and that of whom it was told to suspend."""

    def __init__(self) -> None:
        super().__init__()
        self.full = False

    def fetch(self, database: Any, *args: Any, **more: Any) -> Any:
        if self.full:
            raise FULL
        if database.user == "uanna" and self.suspended:
            raise Refused("FATAL: pg_hba.conf rejects connection", "28000")
        return super().fetch(database, *args, **more)

    @property
    def suspended(self) -> bool:
        done = [verb for verb, _whom in self.did if verb in ("suspend", "lift")]
        return done[-1:] == ["suspend"]

    @property
    def tenants(self) -> list[tuple[str, str]]:
        return [(verb, whom) for verb, whom in self.did if verb in ("end_sessions", "suspend", "lift")]


@pytest.fixture
def herd(settings) -> Herd:
    settings.NOTICES = dict.fromkeys(settings.NOTICES, "send")
    return Herd()


@pytest.fixture
def anna(herd: Herd) -> Resource:
    starter = factories.plan("starter-0")
    instance = factories.instance(server=herd.machine(), plan=starter, attrs={"boot_id": "boot-0"})
    Credential.objects.create(purpose=Credential.MONITOR, instance=instance, role=MONITOR, secret="watching")
    for name in ("bert", "anna"):
        made = factories.resource(name=name, instance=instance, plan=starter, dbname=name)
    herd.run(instance)
    return made


def look(herd: Herd, *members: Any) -> None:
    """A beat of each, by several workers in turn."""
    for n, member in enumerate(members):
        due(again(member), ago_s=100_000)
        assert Turn(again(member).queue, herd.ports, f"here/{n % 2}").once(member.KIND, 1) == 1


def reads(herd: Herd, tenant: Resource, **shares: float) -> None:
    """What the clock has just read, and the beats that follow."""
    herd.full = bool(shares)
    tenants.note(tenant.instance_id, shares)
    look(herd, Resource.objects.get(name="bert"), Instance.objects.get(pk=tenant.instance_id), tenant)


def works(herd: Herd, incident: Incident, times: int = 1) -> Incident:
    """Beats of this incident, with everything that can follow at once."""
    for _time in range(times):
        Incident.objects.exclude(pk=incident.pk).filter(due_at__isnull=False).update(due_at=Now() + timedelta(hours=1))
        Incident.objects.filter(pk=incident.pk).update(due_at=Now() - timedelta(seconds=1), lease=None)
        claim = ring.claim(Incident.KIND, "work", 1, "here/1")
        assert list(claim.ids) == [incident.pk]
        work.beat(now(incident), claim, herd.ports, "here/1", notices)
    return now(incident)


def is_open(type_: str) -> Incident:
    return Incident.objects.exclude(state="resolved").get(type=type_)


def ended_once(herd: Herd, anna: Resource) -> Incident:
    reads(herd, anna, anna=188.0)
    incident = works(herd, is_open("lock_table_taken"))
    assert herd.tenants == [("end_sessions", "anna")]
    reads(herd, anna)
    return works(herd, incident)


def told(anna: Resource) -> set[str]:
    """What its customer hears, whatever has become obsolete meanwhile left out."""
    return set(Notice.objects.filter(customer=anna.customer, state=Notice.QUEUED).values_list("subject", flat=True))


def test_the_sessions_are_ended_the_customer_is_told_and_the_neighbours_go_on(herd: Herd, anna: Resource) -> None:
    assert ended_once(herd, anna).state == "resolved"
    assert told(anna) == {
        "anna took the locks of other databases",
        "anna no longer takes the locks of other databases",
    }
    bert = Resource.objects.get(name="bert")
    assert {again(one).state for one in (anna, bert, anna.instance)} == {"available"}
    assert not Event.objects.filter(subject__in=(bert.pk, anna.pk, anna.instance_id)).exists()
    assert not Incident.objects.exclude(subject=anna.pk).exists()
    assert (
        not Notice.objects.filter(purpose=Notice.PAGE).exists()
        and not Notice.objects.exclude(customer=anna.customer).exists()
    )
    assert sorted(herd.begun) == []


def test_who_does_it_again_is_suspended_told_until_when_and_let_in_again(herd: Herd, anna: Resource) -> None:
    ended_once(herd, anna)
    reads(herd, anna, anna=188.0)
    incident = works(herd, is_open("lock_table_taken"))
    assert herd.tenants == [("end_sessions", "anna"), ("suspend", "anna")]
    reads(herd, anna)
    assert works(herd, incident).state == "resolved"
    assert (again(anna).state, again(anna).row) == ("available", 296)
    works(herd, is_open("suspended"))
    until = tenants.until(again(anna).attrs)
    assert until is not None and f"anna is suspended until {until:%Y-%m-%d %H:%M} UTC" in told(anna)
    assert again(Resource.objects.get(name="bert")).state == "available"

    tenants.suspend(anna, until.timestamp() - policy.SUSPENDED_S)
    look(herd, anna, anna)
    assert herd.tenants[-1] == ("lift", "anna") and tenants.until(again(anna).attrs) is None
    assert again(anna).row == 901
    works(herd, is_open("suspended"))
    assert "anna is not suspended any more" in told(anna)
    assert not Notice.objects.filter(purpose=Notice.PAGE).exists()


def test_who_takes_them_again_while_the_incident_is_open_is_suspended(herd: Herd, anna: Resource) -> None:
    reads(herd, anna, anna=188.0)
    incident = works(herd, is_open("lock_table_taken"))
    pass_time(incident, 10)
    reads(herd, anna, anna=188.0)
    works(herd, incident)
    assert herd.tenants == [("end_sessions", "anna"), ("suspend", "anna")]


def test_who_holds_most_of_a_full_table_makes_room_and_is_suspended_on_repetition(herd: Herd, anna: Resource) -> None:
    """By the same rows, however small its share; what it did before is in the records, whichever worker looks."""
    reads(herd, anna, anna=9.0)
    incident = works(herd, is_open("lock_table_taken"))
    reads(herd, anna)
    assert works(herd, incident).state == "resolved" and herd.tenants == [("end_sessions", "anna")]
    reads(herd, anna, anna=9.0)
    works(herd, is_open("lock_table_taken"))
    assert herd.tenants == [("end_sessions", "anna"), ("suspend", "anna")]
    assert not Notice.objects.filter(purpose=Notice.PAGE).exists()


def test_an_operator_ends_a_suspension_before_its_time(herd: Herd, anna: Resource) -> None:
    with pytest.raises(intents.AskError, match="not suspended"):
        intents.ask(anna, "lift", actor="ops")
    ended_once(herd, anna)
    reads(herd, anna, anna=188.0)
    works(herd, is_open("lock_table_taken"))
    reads(herd, anna)
    asked = intents.ask(again(anna), "lift", actor="ops")
    look(herd, anna)
    assert (again(asked).state, herd.tenants[-1]) == ("done", ("lift", "anna"))
    assert tenants.until(again(anna).attrs) is None


def test_where_nobody_reads_the_lock_table_a_person_is_asked(herd: Herd, anna: Resource) -> None:
    reads(herd, anna, anna=188.0)
    incident = works(herd, is_open("lock_table_taken"))
    tenants.note(anna.instance_id, {"anna": 188.0}, 9000.0)
    pass_time(incident, 10)
    works(herd, incident)
    assert "lock table is not being read" in Journal.objects.filter(incident=incident, outcome="give_up").get().note
    assert ("suspend", "anna") not in herd.tenants


def test_nobodys_sessions_are_ended_on_an_instance_of_its_own(herd: Herd) -> None:
    premium = factories.resource(plan=factories.plan("premium-0"))
    for step in end_lock_holder.STEPS:
        with pytest.raises(CantAct):
            step(case(Scene(), premium, "lock_table_taken", lock_pct=100.0))


def test_what_was_long_ago_is_forgotten(herd: Herd, anna: Resource) -> None:
    ended_once(herd, anna)
    change(anna, attrs=again(anna).attrs | {tenants.ENDED: "1000 incident/x"})
    reads(herd, anna, anna=188.0)
    works(herd, is_open("lock_table_taken"))
    assert herd.tenants == [("end_sessions", "anna")] * 2
