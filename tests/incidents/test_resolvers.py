"""The playbooks against fakes: what each looks at, does, and gives up on; and that every step can be repeated."""

import pytest

from fleet import intents
from fleet.models import Instance, Intent
from fleet.providers.base import ABSENT, PAUSED, RUNNING, STOPPED
from fleet.transports.base import Result
from incidents.outcomes import AGAIN, FIXED, GIVE_UP, CantAct
from incidents.resolvers import (
    RESOLVERS,
    asking,
    enforce_row_limit,
    free_connections,
    kill_postgres,
    restart_postgres,
    restart_server,
    rewrite_config,
    sync_clock,
)
from tests import factories
from tests.incidents.scenes import Scene, case

pytestmark = pytest.mark.django_db

OK, NO = Result(0, "", "", 0.0), Result(1, "", "invalid value for parameter", 0.0)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def answer(intent: Intent, state: str, text: str = "") -> None:
    Intent.objects.filter(pk=intent.pk).update(state=state, answer=text)


def test_every_playbook_has_a_runbook_in_four_parts():
    for playbook in RESOLVERS.values():
        assert all(word in playbook.runbook for word in ("Symptom:", "Look first:", "Steps:", "Give up when:"))
        assert playbook.steps and len(playbook.version) == 12


@pytest.mark.parametrize(
    ("facts", "verb"),
    [
        ({"postmaster": False}, "start"),
        ({"postmaster": None}, "start"),
        ({"postmaster": True, "service_available": False}, "restart"),
    ],
)
def test_postgres_is_asked_to_start_or_where_it_hangs_to_restart(scene, facts, verb):
    instance = factories.instance(state="down")
    for _again in range(2):
        assert restart_postgres.start(case(scene, instance, **facts)).kind == FIXED
    assert Intent.objects.get(subject=instance.pk).verb == verb


@pytest.mark.parametrize("facts", [{"job": "running"}, {"postmaster": True, "service_code": "57P03"}])
def test_what_is_starting_already_is_never_restarted(scene, facts):
    instance, facts = factories.instance(state="down"), {"service_available": False} | facts
    assert restart_postgres.start(case(scene, instance, **facts)).kind == AGAIN
    assert not Intent.objects.exists()
    assert restart_postgres.start(case(scene, instance, step_s=1_000, **facts)).kind == FIXED


def test_a_host_that_is_silent_gets_time_and_one_that_rebooted_its_own_table_a_chance(scene):
    instance = factories.instance(state="down", attrs={"boot_id": "one"})
    silent = {"ssh": False, "ssh_why": "timed out"}
    assert restart_postgres.host(case(scene, instance, **silent)).kind == AGAIN
    assert restart_postgres.host(case(scene, instance, step_s=200, **silent)).kind == GIVE_UP
    assert restart_postgres.host(case(scene, instance, ssh=True, boot_id="two")).kind == AGAIN
    assert restart_postgres.host(case(scene, instance, step_s=40, ssh=True, boot_id="two")).kind == FIXED
    assert restart_postgres.host(case(scene, instance, ssh=True, boot_id="one")).kind == FIXED


def test_what_was_asked_for_is_waited_for_and_withdrawn_in_the_end(scene):
    instance = factories.instance(state="down")
    asking.asked(case(scene, instance), "start", "it is down")
    assert asking.answered(case(scene, instance)).kind == AGAIN
    assert asking.answered(case(scene, instance, step_s=1_000)).kind == GIVE_UP
    intent = Intent.objects.get(subject=instance.pk)
    assert intent.state == Intent.CANCELLED
    answer(intent, Intent.DONE, "it runs")
    assert asking.answered(case(scene, instance)).kind == FIXED
    answer(intent, Intent.REFUSED, "it would not start")
    assert asking.answered(case(scene, instance)).note == "start: it would not start"


def test_what_is_being_destroyed_is_not_asked(scene):
    instance = factories.instance(state="destroying")
    with pytest.raises(intents.AskError):
        intents.ask(instance, "start", actor="ada")
    assert asking.asked(case(scene, instance), "start", "it is down").kind == GIVE_UP


def test_a_postmaster_is_killed_and_where_there_is_none_that_is_not_it(scene):
    instance = factories.instance(state="down")
    scene.world.on(["sh"], Result(0, "killed\n", "", 0.0))
    assert kill_postgres.kill(case(scene, instance, postmaster=True)).kind == FIXED
    scene.world.on(["sh"], OK)
    assert kill_postgres.kill(case(scene, instance, postmaster=True)).kind == FIXED
    assert kill_postgres.kill(case(scene, instance, postmaster=False)).kind == GIVE_UP


def test_a_configuration_that_can_be_read_is_left_alone(scene):
    instance = factories.instance(state="down")
    scene.world.on(["/pg/postgres"], OK)
    assert rewrite_config.read(case(scene, instance, postmaster=False)).kind == GIVE_UP
    assert rewrite_config.read(case(scene, instance, postmaster=True)).kind == GIVE_UP
    assert rewrite_config.read(case(scene, instance, postmaster=None)).kind == AGAIN
    assert rewrite_config.read(case(scene, instance, postmaster=None, step_s=31)).kind == GIVE_UP
    scene.world.on(["/pg/postgres"], NO)
    assert rewrite_config.read(case(scene, instance, postmaster=False)).kind == FIXED


def test_a_configuration_is_rewritten_as_its_plan_has_it_and_read_again(scene):
    instance = Instance.objects.select_related("plan").get(pk=factories.instance(state="down").pk)
    scene.world.on(["sh"], OK)
    scene.world.on(["/pg/postgres"], OK)
    assert rewrite_config.write(case(scene, instance)).kind == FIXED
    written = next(ran for ran in scene.world.ran if ran.argv[0] == "sh")
    assert b"max_connections = '131'" in written.stdin and written.argv[-1] == "/srv/h/data"
    scene.world.on(["/pg/postgres"], NO)
    assert rewrite_config.write(case(scene, instance)).kind == GIVE_UP


@pytest.mark.parametrize(
    ("state", "step_s", "kind"),
    [(STOPPED, 0, FIXED), (PAUSED, 0, FIXED), (RUNNING, 0, AGAIN), (RUNNING, 90, FIXED), (ABSENT, 0, GIVE_UP)],
)
def test_a_server_is_switched_only_when_it_is_off_or_has_had_its_minute(scene, state, step_s, kind):
    server = factories.server()
    if state != ABSENT:
        scene.provider.create(server.name, "a", 1)
        scene.provider._set(server.name, state)
    assert restart_server.look(case(scene, server, "server_down", step_s)).kind == kind


def test_a_server_is_switched_off_and_on_as_often_as_it_takes(scene):
    server = factories.server()
    scene.provider.create(server.name, "a", 1)
    for step in (restart_server.off, restart_server.off, restart_server.on, restart_server.on):
        assert step(case(scene, server, "server_down")).kind == FIXED
    assert scene.provider.machines[server.name].state == RUNNING


def test_a_provider_that_does_not_answer_gets_a_minute(scene):
    server = factories.server()
    scene.provider.unreachable = True
    assert restart_server.look(case(scene, server, "server_down")).kind == AGAIN
    assert restart_server.look(case(scene, server, "server_down", 90)).kind == GIVE_UP
    assert restart_server.on(case(scene, server, "server_down")).kind == GIVE_UP


@pytest.fixture
def connections(scene):
    """What PostgreSQL answers: whether the database is full, and how many sessions were ended."""
    said = {"full": "t", "ended": "3"}
    full = {"is_full": lambda ran: b">= (SELECT pg_catalog.min" in ran.stdin}
    scene.world.on(["/pg/psql"], lambda ran: Result(0, said["full" if full["is_full"](ran) else "ended"], "", 0.0))
    return said


def test_sessions_of_a_full_database_are_ended_and_of_no_other(scene, connections):
    instance = factories.instance(server=factories.server(pg={"17": "/pg"}, host_key="ssh-ed25519 AAAA", home="/srv/h"))
    resource = factories.resource(instance=instance)
    one = case(scene, resource, "resource_down")
    assert free_connections.in_transaction(one).kind == FIXED
    assert free_connections.idle(one).kind == FIXED
    assert all(f"datname = '{resource.dbname}'".encode() in ran.stdin for ran in scene.world.ran)
    connections["full"] = "f"
    assert free_connections.in_transaction(one).kind == GIVE_UP


def test_where_every_session_is_at_work_it_gives_up_in_the_end(scene, connections):
    instance = factories.instance()
    connections["ended"] = "0"
    assert free_connections.idle(case(scene, instance, "connections_exhausted")).kind == AGAIN
    assert free_connections.idle(case(scene, instance, "connections_exhausted", 200)).kind == GIVE_UP


def test_a_database_without_an_instance_has_no_sessions_to_end(scene):
    with pytest.raises(CantAct):
        free_connections.in_transaction(case(scene, factories.resource(instance=None), "resource_down"))


def test_a_customer_over_the_row_limit_has_a_week(scene):
    resource = factories.resource()
    first = enforce_row_limit.grace(case(scene, resource, "row_limit"))
    assert (first.kind, first.after_s) == (AGAIN, enforce_row_limit.GRACE_S)
    assert enforce_row_limit.grace(case(scene, resource, "row_limit", enforce_row_limit.GRACE_S)).kind == GIVE_UP


@pytest.mark.parametrize(
    ("result", "kind", "note"),
    [
        (Result(0, "200 OK\n", "", 0.0), FIXED, "200 OK"),
        (Result(0, "501 Not authorised\n200 OK\n", "", 0.0), FIXED, "501 Not authorised; 200 OK"),
        (Result(1, "501 Not authorised\n", "sudo: a password is required\n", 0.0), GIVE_UP, "a password is required"),
        (Result(69, "", "the server has neither chrony nor systemd-timesyncd\n", 0.0), GIVE_UP, "neither chrony"),
    ],
)
def test_a_clock_is_stepped_by_the_hosts_own_service_or_it_says_why_not(scene, result, kind, note):
    scene.world.on(["sh", "-c"], result)
    outcome = sync_clock.makestep(case(scene, factories.server(), "clock_skew"))
    assert outcome.kind == kind and note in outcome.note


@pytest.mark.parametrize(
    ("skew", "step_s", "kind"),
    [(0.4, 0, FIXED), (-1.9, 30, FIXED), (120.0, 30, AGAIN), (None, 30, AGAIN), (-120.0, 121, GIVE_UP)],
)
def test_only_a_clock_that_is_right_proves_that_it_was_set(scene, skew, step_s, kind):
    server = case(scene, factories.server(), "clock_skew", step_s, clock_skew_s=skew)
    assert sync_clock.right(server).kind == kind
