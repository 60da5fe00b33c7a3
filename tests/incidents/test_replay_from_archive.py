"""A leader that is lost without a standby: what its playbook refuses, what it begins, and a fake herd in which another
one is built of its archive and takes over."""

from datetime import timedelta

import pytest

from fleet import changing, copies, policy
from fleet.actions import copying
from fleet.archives import holes
from fleet.models import MEMBERS, Backup, Changeover, Credential, Instance, Intent, Resource, Timeline
from fleet.postgres.config import MONITOR
from fleet.providers.base import ABSENT
from fleet.succession import lsn
from fleet.transports.base import Result, Unreachable
from herdsite.turns import Turn
from incidents import playbooks, remains
from incidents.models import Incident, PlaybookPolicy
from incidents.outcomes import AGAIN, FIXED, GIVE_UP, Case
from incidents.resolvers import replay_from_archive as playbook
from observations.models import Observation
from tests import factories
from tests.fakeherd import FakeHerd
from tests.herd import again, change, due, expire
from tests.incidents.remnants import NOW, archived, seen
from tests.incidents.scenes import Scene, case, pass_time, raise_alarm, set_alarm

pytestmark = pytest.mark.django_db
ROUNDS = 40
SEGMENT = f"{1:08X}{5:016X}"
LOG = "2026 [1] LOG:  last completed transaction was at log time 2026-11-22 03:00:01.5+00\n"


@pytest.fixture(autouse=True)
def kept(settings) -> None:
    settings.ARCHIVE = "directory"


@pytest.fixture
def scene() -> Scene:
    """Its herd has a host for the lost one, and an empty one."""
    scene = Scene()
    scene.herd = FakeHerd()
    scene.world, scene.provider, scene.ports = scene.herd.world, scene.herd.provider, scene.herd.ports
    scene.world.on(("mkdir", "-p"), Result(0, "", "", 0.01))
    scene.world.on(lambda ran: remains._LAST_COMMIT in ran.argv, lambda _ran: Result(0, LOG, "", 0.01))
    return scene


@pytest.fixture
def shop(scene: Scene) -> Resource:
    """It archived until its machine was lost; the herd has another."""
    return lost(scene, "shop")


def lost(scene: Scene, name: str, plan: str = "standard-0", **fields: object) -> Resource:
    herd = scene.herd
    server = fields.pop("server", None) or herd.machine()
    if len(herd.provider.machines) < 2:
        herd.machine()
    leader = factories.instance(
        name=f"{name}-1", server=server, plan=factories.plan(plan), state="down", queue="suspect",
        attrs={"boot_id": "boot-0"},
    )  # fmt: skip
    resource = factories.resource(name=name, instance=leader, state="down", queue="suspect", **fields)
    Credential.objects.create(purpose=Credential.MONITOR, instance=leader, role=MONITOR, secret="watching")
    herd.run(leader).runs = False
    change(server, state="down")
    lose(scene, leader)
    return archived(resource)


def lose(scene: Scene, leader: Instance) -> None:
    """Its machine is no more."""
    scene.world.fail(leader.server.name, Unreachable(f"{leader.server.name}: no answer"))
    scene.herd.silent.add(scene.herd.place(leader))
    scene.provider._set(leader.server.name, ABSENT)


def about(scene: Scene, member: Instance, step_s: float = 0.0, approved: bool = False, **facts: object) -> Case:
    made = case(scene, member, step_s=step_s, **facts)
    return Case(**(vars(made) | {"approved": approved, "ports": scene.ports}))


def begun() -> Changeover:
    return Changeover.objects.get(marks__has_key="replay")


def test_a_copy_is_begun_once_and_waits_with_the_proof_of_silence(scene, shop):
    for _again in range(2):
        outcome = playbook.begin(about(scene, shop.instance))
        assert outcome.kind == FIXED
    changeover = begun()
    copy = changeover.target
    assert (changeover.reason, changeover.source, again(shop).state) == ("failover", shop.instance, "down")
    assert copy.server != shop.instance.server and copy.port == shop.instance.port
    assert copy.timeline.parent == shop.instance.timeline and copy.attrs["from_backup"]
    assert "absent" in changeover.marks["replay"]


def test_it_begins_for_all_that_a_lost_server_had_and_that_nobody_can_take_over(scene, shop):
    other = lost(scene, "other", server=shop.instance.server)
    ready = lost(scene, "ready", server=shop.instance.server)
    factories.instance(role="standby", upstream=ready.instance, timeline=ready.instance.timeline, standby_for=ready)
    tiny = factories.instance(server=shop.instance.server, plan=factories.plan("starter-0"), state="down")
    factories.resource(instance=tiny, state="down")
    begun = playbook.begin(about(scene, shop.instance.server))
    assert begun.kind == FIXED and "ready: a standby takes over" in begun.note
    assert {one.resource for one in Changeover.objects.all()} == {shop, other}


def test_what_a_standby_takes_over_gets_its_time(scene):
    ready = lost(scene, "ready", "premium-0")
    factories.instance(role="standby", upstream=ready.instance, timeline=ready.instance.timeline, standby_for=ready)
    server = ready.instance.server
    assert playbook.begin(about(scene, server)).kind == AGAIN
    assert playbook.begin(about(scene, server, step_s=100)).kind == GIVE_UP
    change(ready.instance, state="available")
    assert playbook.begin(about(scene, server)).note == "no database on this server can be restored from its archive"


@pytest.mark.parametrize(
    ("later", "why"),
    [
        ({"lsn": "0/15000100"}, "the archive lacks 256 MB of WAL"),
        ({"archiver_failing": "true"}, "archiving was failing"),
    ],
)
def test_what_may_cost_more_than_usual_takes_a_persons_word(scene, shop, later, why):
    seen(shop.instance, later, NOW + timedelta(seconds=1))
    refused = playbook.begin(about(scene, shop.instance, step_s=100))
    assert refused.kind == GIVE_UP and why in refused.note
    assert not Changeover.objects.exists()
    assert playbook.begin(about(scene, shop.instance, approved=True)).kind == FIXED


def test_what_nobody_saw_takes_a_persons_word_as_well(scene):
    shop = lost(scene, "shop")
    Observation.objects.all().delete()
    assert "is not known" in playbook.begin(about(scene, shop.instance)).note


def test_a_plan_that_promises_that_nothing_is_lost_asks_first(scene):
    shop = lost(scene, "shop", "premium-0")
    refused = playbook.begin(about(scene, shop.instance.server))
    assert refused.kind == GIVE_UP and "promises that no acknowledged write is lost" in refused.note
    incident = raise_alarm(shop.instance, "instance_down", state="down")
    Incident.objects.filter(pk=incident.pk).update(tried=list(playbooks.resolvers_of("instance_down")[:-1]))
    incident = again(incident)
    assert playbooks.coming(incident) == ("replay_from_archive", "ask")
    incident.approved = True
    assert playbooks.coming(incident) == ("replay_from_archive", "act")
    incident.approved = False
    PlaybookPolicy.objects.create(resolver="replay_from_archive", plan=shop.plan, mode="act")
    assert playbooks.coming(incident) == ("replay_from_archive", "act")
    assert playbook.begin(about(scene, shop.instance)).kind == FIXED


def test_no_proof_of_silence_no_copy(scene, shop):
    scene.provider._set(shop.instance.server.name, "running")
    waits = playbook.begin(about(scene, shop.instance))
    assert waits.kind == AGAIN and "cannot prove that the former leader has stopped" in waits.note
    assert playbook.begin(about(scene, shop.instance, step_s=100)).kind == GIVE_UP
    assert not Changeover.objects.exists()


def test_a_host_that_lives_is_fenced_first_unless_its_disk_is_full(scene, shop):
    leader = shop.instance
    scene.world.heal(leader.server.name)
    scene.provider._set(leader.server.name, "running")
    lives = playbook.begin(about(scene, leader, 70, ssh=True))
    assert lives.kind == AGAIN and "the host answers" in lives.note
    full = raise_alarm(leader.server, "disk_critical", disk_used_pct=100.0)
    refused = playbook.begin(about(scene, leader, 95, ssh=True))
    assert refused.kind == GIVE_UP and "the disk is full" in refused.note
    assert scene.herd.did == []
    Incident.objects.filter(pk=full.pk).update(state="resolved")
    assert playbook.begin(about(scene, leader, 95, ssh=True)).kind == FIXED
    assert scene.herd.clusters[leader.data].fenced == begun().generation == shop.generation + 1
    assert begun().marks["old_end_lsn"]


def on_a_living_host(scene: Scene, shop: Resource, **case_: object) -> Case:
    """Its PostgreSQL is lost, and its host answers. The copy is begun, and its WAL is being brought to the archive."""
    scene.world.heal(shop.instance.server.name)
    scene.provider._set(shop.instance.server.name, "running")
    scene.herd.run(shop.instance).runs = False
    about_it = about(scene, shop.instance, 95, ssh=True, **case_)
    assert playbook.begin(about_it).kind == FIXED
    assert "is being archived" in playbook.lead(about_it).note
    assert begun().marks["rest"] == changing.UNDER_WAY
    return about_it


def test_what_a_living_host_has_not_archived_is_archived_before_the_copy_begins(scene, shop):
    seen(shop.instance, {"lsn": "0/15000100"}, NOW + timedelta(seconds=1))
    about_it = on_a_living_host(scene, shop)
    copy = begun().target
    beaten = beat_instance(scene, copy)
    assert beaten.row == 200 and scene.herd.begun[f"{copy.name}-build"] == 0
    scene.herd.pass_time()
    end = lsn.text(scene.herd.clusters[shop.instance.data].lsn)
    assert f"all of its WAL, up to {end}" in playbook.lead(about_it).note
    marks = begun().marks
    assert (marks["rest_end"], marks["old_end_lsn"]) == (end, end)
    got = "3 files that shop-1 had not archived were archived from its host"
    assert marks["notes"] == [f"{got}: all of its WAL, up to {end}."]
    beat_instance(scene, copy)
    assert scene.herd.begun[f"{copy.name}-build"] == 1
    assert copying._rest_end(copy) == end


def test_what_a_living_host_can_not_archive_takes_a_persons_word(scene, shop):
    seen(shop.instance, {"lsn": "0/15000100"}, NOW + timedelta(seconds=1))
    about_it = on_a_living_host(scene, shop)
    scene.herd.left = SEGMENT
    scene.herd.pass_time()
    refused = playbook.lead(about_it).note
    assert SEGMENT in refused and "256 MB" in refused and "retry" in refused
    assert Intent.objects.filter(subject=begun().pk, verb="cancel").exists()
    assert scene.herd.clusters[shop.instance.data].fenced == 0


def test_what_a_person_lets_go_of_is_in_the_receipt(scene, shop):
    about_it = on_a_living_host(scene, shop, approved=True)
    scene.herd.left = SEGMENT
    scene.herd.pass_time()
    assert f"could not be archived: {SEGMENT}" in playbook.lead(about_it).note
    marks = begun().marks
    assert "rest_end" not in marks and SEGMENT in marks["notes"][0]


def test_a_host_that_is_lost_while_it_archives_is_waited_for_and_not_for_ever(scene, shop):
    on_a_living_host(scene, shop)
    scene.world.fail(shop.instance.server.name, Unreachable("no answer"))
    assert "is asked again" in playbook.lead(about(scene, shop.instance, 100, ssh=True)).note
    assert begun().marks["rest"] == changing.UNDER_WAY
    playbook.lead(about(scene, shop.instance, 200, ssh=True))
    assert begun().marks["rest"] == "over" and "The host did not archive the rest" in begun().marks["notes"][0]


def beat_instance(scene: Scene, instance: Instance) -> Instance:
    """The instance after a beat of it."""
    due(again(instance))
    Turn(again(instance).queue, scene.ports, "here/1", ("instance",)).once("instance")
    return again(instance)


def test_what_the_archive_can_not_give_is_refused_with_its_words(scene, shop):
    hole = holes.Hole(f"{1:08X}{3:016X}", f"{1:08X}{3:016X}", NOW - timedelta(minutes=30))
    Timeline.objects.filter(pk=shop.instance.timeline_id).update(facts={"archive_holes": holes.told([hole])})
    assert f"misses {hole.name}" in playbook.begin(about(scene, again(shop.instance))).note
    Backup.objects.all().delete()
    assert "no base backup yet" in playbook.begin(about(scene, again(shop.instance))).note
    assert playbook.begin(about(scene, factories.instance(state="down"))).kind == GIVE_UP


def test_without_room_elsewhere_it_waits_for_a_minute(scene, shop):
    for server in type(shop.instance.server).objects.exclude(pk=shop.instance.server_id):
        change(server, capacity=0)
    assert "add a server" in playbook.begin(about(scene, shop.instance)).note
    assert playbook.begin(about(scene, shop.instance, step_s=100)).kind == GIVE_UP
    assert Instance.objects.count() == 1


def test_a_copy_that_is_there_leads_unless_the_brake_holds(scene, shop, monkeypatch):
    about_it = about(scene, shop.instance)
    playbook.begin(about_it)
    building = playbook.lead(about_it)
    assert building.kind == AGAIN and "is being built" in building.note
    change(begun().target, state="available")
    monkeypatch.setattr(playbook.brake, "holds", lambda scope: scope == "herd")
    assert "the brake stops failovers of herd" in playbook.lead(about_it).note
    assert "ready" not in begun().marks
    monkeypatch.undo()
    assert playbook.lead(about_it).kind == AGAIN
    marks = begun().marks
    assert marks["looks"] == [[0x5000100, NOW.timestamp()]] and marks["ready"] and not marks["lossless"]
    assert again(shop).state == "changing_over"


def test_a_large_copy_is_looked_at_less_and_less_often(scene, shop):
    playbook.begin(about(scene, shop.instance))
    assert playbook.lead(about(scene, shop.instance, step_s=3600)).after_s == 360


def test_a_copy_that_fails_three_times_is_called_off_and_the_old_leader_let_go(scene, shop):
    scene.world.heal(shop.instance.server.name)
    scene.provider._set(shop.instance.server.name, "running")
    about_it = about(scene, shop.instance)
    playbook.begin(about_it)
    playbook.lead(about_it)
    scene.herd.pass_time()
    playbook.lead(about_it)
    copy = begun().target
    change(copy, tries=3, facts={"job": "failed", "job_why": "no space left"})
    assert "could not be built: no space left" in playbook.lead(about_it).note
    assert scene.herd.clusters[shop.instance.data].fenced == 0
    change(begun(), state="cancelled")
    assert playbook.lead(about_it).kind == GIVE_UP
    assert copies.tidy() == [f"destroy {copy.name}"]
    for _again in range(2):
        copies.tidy()
    assert Intent.objects.filter(subject=copy.pk, verb="destroy").count() == 1


def test_an_old_leader_that_answers_again_calls_it_off(scene, shop):
    about_it = about(scene, shop.instance)
    playbook.begin(about_it)
    change(begun(), state="waiting_for_window")
    assert copies.tidy() == []
    change(shop.instance, state="available")
    assert copies.tidy() == [f"cancel {begun().name}"]
    assert "answers again" in playbook.lead(about_it).note


@pytest.mark.parametrize(
    ("name", "end"),
    [("0000000100000000000000FF", 0x100000000), ("00000001000000020000000A", 0x20B000000), ("no", None)],
)
def test_where_a_segment_ends(name, end):
    assert remains.segment_end(name) == end


@pytest.mark.thorough
def test_the_whole_story_a_lost_machine_comes_back_elsewhere(scene, shop):
    """Beats of everything, as workers take them."""
    herd, leader = scene.herd, shop.instance
    look = "archive_last=000000010000000000000004\narchive_segments=3\n"
    herd.world.on(lambda ran: "archive_last" in " ".join(ran.argv), lambda _ran: Result(0, look, "", 0.01))
    incident = raise_alarm(leader.server, "server_down", state="down")
    Incident.objects.filter(pk=incident.pk).update(tried=["restart_server"])
    for n in range(ROUNDS):
        pass_time(incident, 3)
        incident = scene.beat(incident)
        expire()
        for kind in ("changeover", "instance", "resource"):
            MEMBERS[kind].objects.update(queue=policy.WORK)
            Turn(policy.WORK, herd.ports, f"here/{n}").once(kind, 8)
        herd.pass_time()
        for one in herd.clusters.values():
            one.databases |= herd.clusters[leader.data].databases  # what it was restored of has them
        if Changeover.objects.filter(state="done").exists():
            set_alarm(leader.server, "server_down", False)
        if incident.state in ("resolved", "needs_human"):
            break
    changeover = begun()
    assert (incident.state, changeover.state) == ("resolved", "done"), incident.problem
    after = again(shop)
    assert (after.instance, after.generation) == (changeover.target, shop.generation + 1)
    assert again(leader).outdated and again(leader).upstream == changeover.target
    assert changeover.receipt["last_seen_lsn"] == "0/5000100" and changeover.receipt["rung"] == 2
    notes = [line.note for line in incident.journal.all() if line.resolver == "replay_from_archive"]
    (there,) = (note for note in notes if "becomes the leader" in note)
    assert "recovered up to 2026-11-22 03:00:01.5+00" in there and "shop-1 was last seen at 0/5000100" in there
    assert scene.pages == []
