"""A live herd that mends itself: real PostgreSQL is broken, and the incident's own journal tells what became of it."""

import os
import signal
from pathlib import Path

import pytest

from fleet.models import Instance, Resource
from fleet.providers.local import chaos
from incidents import desk, story
from incidents.models import Incident, Journal, Page, PlaybookPolicy
from tests.liveherd import Herd, available, until

pytestmark = [pytest.mark.live, pytest.mark.timeout(420)]


def of(instance: Instance) -> Incident | None:
    """The latest incident of a dead instance."""
    return Incident.objects.filter(subject=instance.pk, type="instance_down").first()


def broken(herd: Herd, instance: Instance, how) -> Incident:
    """Break what is on its disk, kill it, and wait for the incident, which is another one than before."""
    before = of(instance)
    how(Path(instance.data))
    chaos.kill_postgres(herd.provider, instance.server.name, instance.data)
    until(lambda: of(instance) != before, "an incident opens", 60)
    incident = of(instance)
    assert incident is not None
    return incident


def tried(incident: Incident) -> list[tuple[str, str]]:
    """Each playbook that was begun, and how it ended."""
    told = Journal.objects.filter(incident=incident, outcome__in=("mended", "give_up", "raised"))
    return list(told.values_list("resolver", "outcome"))


def test_a_killed_postgres_is_mended_by_its_playbook_and_nobody_is_called(herd: Herd):
    """Only a real PostgreSQL comes back out of crash recovery, while the beats, the incident and its playbook all
    run."""
    (resource,) = herd.grow(servers=1, production=1, starters=0)
    instance = resource.instance
    incident = broken(herd, instance, lambda _data: None)
    assert incident.evidence["facts"]["state"] == "down" and incident.opened_by is not None
    until(lambda: not of(instance).is_open, "it is resolved", 90)
    until(lambda: available(Instance, [instance]) and available(Resource, [resource]), "back", 60)
    assert tried(incident) == [("restart_postgres", "mended")]
    assert [line.what for line in story.of(incident)][:3] == ["opened", "begin", "began"]
    assert not Page.objects.filter(incident=incident.pk).exists()


def test_what_the_first_playbooks_cant_mend_a_later_one_does(herd: Herd):
    """Only a real PostgreSQL refuses a broken configuration, and so makes one playbook after the other give up."""
    (resource,) = herd.grow(servers=1, production=1, starters=0)

    def corrupt(data: Path) -> None:
        with (data / "postgresql.conf").open("a") as conf:
            conf.write("shared_buffers = 'a lot'\n")

    incident = broken(herd, resource.instance, corrupt)
    until(lambda: not of(resource.instance).is_open, "it is resolved", 120)
    assert tried(incident) == [
        ("restart_postgres", "give_up"),
        ("failover", "give_up"),
        ("kill_postgres", "give_up"),
        ("rewrite_config", "mended"),
    ]
    until(lambda: available(Resource, [resource]), "back", 60)
    assert not Page.objects.filter(incident=incident.pk).exists()


def test_a_postgres_that_is_frozen_is_killed_and_started(herd: Herd):
    """Only a process that was stopped (SIGSTOP) keeps its port open and answers nothing."""
    (resource,) = herd.grow(servers=1, production=1, starters=0)
    before = of(resource.instance)
    postmaster = int((Path(resource.instance.data) / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGSTOP)
    until(lambda: of(resource.instance) != before, "an incident opens", 90)
    incident = of(resource.instance)
    until(lambda: not of(resource.instance).is_open, "it is resolved", 200)
    assert tried(incident)[-1] in [("restart_postgres", "mended"), ("kill_postgres", "mended")]
    until(lambda: available(Resource, [resource]), "back", 60)
    assert not Page.objects.filter(incident=incident.pk).exists()


def test_a_host_that_died_is_switched_on_and_what_lived_on_it_comes_back_with_one_incident_at_work(herd: Herd):
    """Only a real host takes all of its programs down at once, so that their incidents have one cause to find."""
    (resource,) = herd.grow(servers=1, production=1, starters=0)
    server = resource.instance.server
    chaos.kill_host(herd.provider, server.name)
    down = Incident.objects.filter(subject=server.pk, type__in=("server_down", "server_unreachable"))
    until(down.exists, "an incident opens", 90)
    until(lambda: not any(one.is_open for one in down.all()), "the server is mended", 200)
    until(lambda: available(Resource, [resource]), "back", 90)
    until(lambda: not Incident.objects.exclude(state="resolved").exists(), "nothing is left open", 60)
    # Where the provider was slow to tell, it was unreachable before it was known to be down.
    assert [tried(one) for one in down.all() if tried(one)] == [[("restart_server", "mended")]]
    assert not Page.objects.filter(created_at__gte=down.earliest("created_at").created_at).exists()


def test_what_no_playbook_can_mend_calls_one_person_once_who_has_it_tried_again(herd: Herd):
    """Only a real PostgreSQL that can't start exhausts every playbook, and starts again once its file is back."""
    (resource,) = herd.grow(servers=1, production=1, starters=0)
    instance = resource.instance
    # Its archive could bring it back elsewhere; its operators want to look first.
    PlaybookPolicy.objects.create(resolver="replay_from_archive", mode="never", resource=resource)
    control = Path(instance.data) / "global" / "pg_control"
    incident = broken(herd, instance, lambda _data: control.rename(control.with_suffix(".gone")))
    until(lambda: of(instance).state == "needs_human", "a person is called", 120)
    names = [name for name, _outcome in tried(incident)]
    assert names == ["restart_postgres", "failover", "kill_postgres", "rewrite_config"]
    page = Page.objects.get(incident=incident.pk)
    assert page.evidence["facts"]["state"] == "down" and "Give up when" in page.runbook
    control.with_suffix(".gone").rename(control)
    desk.retry(of(instance), "test")
    until(lambda: not of(instance).is_open, "it is resolved", 90)
    until(lambda: available(Resource, [resource]), "back", 60)
    page.refresh_from_db()
    assert page.ended_at is not None
