"""Playbooks that are cut off: at every remote call of theirs, before it and after it, code raises, an answer is lost,
or the worker is killed. Whatever is left, the next beats finish it or hand it to a person."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from django.db import transaction

from fleet.models import Changeover, Credential, Instance, Intent, Member
from fleet.ports import Ports
from fleet.postgres.config import MONITOR
from fleet.providers.base import RUNNING, STOPPED
from fleet.transports.base import Result, Unreachable
from herdsite.turns import Turn
from incidents import remains, work
from incidents.models import Incident, Journal
from incidents.resolvers import kill_postgres, rewrite_config
from incidents.telling import Silent
from tests import factories
from tests.fakeherd import FakeHerd
from tests.herd import again, due
from tests.incidents.remnants import archived
from tests.incidents.scenes import due as due_incident
from tests.incidents.scenes import pass_time, raise_alarm, set_alarm

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]
VANTAGE = "here/1"
ROUNDS = 60


class Killed(BaseException):
    """The worker dies here."""


ERRORS: dict[str, Callable[[], BaseException]] = {
    "raises": lambda: ZeroDivisionError("a bug"),
    "hangs": lambda: Unreachable("no answer in time"),
    "is killed": Killed,
}


@dataclass
class Counting:
    """Stands between herdsite and the world, counts what is done there (looks apart), and once, at the call of that
    number, raises: before it is carried out, or after it was and nobody hears the answer."""

    ports: Ports
    at: int = -1
    after: bool = False
    error: Callable[[], BaseException] = Killed
    calls: list[str] = field(default_factory=list)

    def wrapped(self) -> Ports:
        return replace(self.ports, shell=lambda host: _Shell(self, self.ports.shell(host)), provider=self._provider)

    def _provider(self, name: str) -> Any:
        return _Provider(self, self.ports.provider(name))

    def call(self, what: str, do: Callable[[], Any]) -> Any:
        mine = len(self.calls) == self.at
        self.calls.append(what)
        if mine and not self.after:
            raise self.error()
        result = do()
        if mine:
            raise self.error()
        return result


@dataclass
class _Shell:
    count: Counting
    shell: Any

    def run(self, argv: Any, *args: Any, **kwargs: Any) -> Result:
        is_look = argv[0] == "sh" and len(argv) == 7
        run = lambda: self.shell.run(argv, *args, **kwargs)  # noqa: E731
        return run() if is_look else self.count.call(argv[0], run)


@dataclass
class _Provider:
    count: Counting
    provider: Any

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        return lambda *args: self.count.call(verb, lambda: getattr(self.provider, verb)(*args))


@dataclass
class Trouble:
    """A herd of one instance in which something is broken, and what is so when it is mended. `looked_at` says that the
    instance's own beats find that out; `tried` are the playbooks that have given up already."""

    herd: FakeHerd
    instance: Instance
    member: Member
    type: str
    mended: Callable[[], bool]
    looked_at: bool = True
    tried: tuple[str, ...] = ()


def _herd() -> tuple[FakeHerd, Instance]:
    herd = FakeHerd()
    instance = factories.instance(server=herd.machine(), attrs={"boot_id": "boot-0"}, state="down", queue="suspect")
    Credential.objects.create(purpose=Credential.MONITOR, instance=instance, role=MONITOR, secret="watching")
    herd.run(instance).runs = False
    return herd, instance


def dead() -> Trouble:
    herd, instance = _herd()
    return Trouble(herd, instance, instance, "instance_down", lambda: herd.clusters[instance.data].runs)


def hung() -> Trouble:
    """A postmaster that serves nobody and can't be restarted, only killed."""
    trouble = dead()
    herd, cluster = trouble.herd, trouble.herd.clusters[trouble.instance.data]
    cluster.runs = True
    herd.silent.add(herd.place(trouble.instance))
    herd.fails.add("start")

    def kill(_ran: Any) -> Result:
        was, cluster.runs = cluster.runs and bool(herd.fails), False
        herd.silent.clear()
        herd.fails.clear()
        return Result(0, "killed\n" if was else "", "", 0.01)

    herd.world.on(lambda ran: kill_postgres._KILL in ran.argv, kill)
    trouble.mended = lambda: cluster.runs and not herd.silent
    trouble.tried = ("restart_postgres",)
    return trouble


def misconfigured() -> Trouble:
    trouble = dead()
    herd = trouble.herd
    herd.fails.add("start")

    def write(_ran: Any) -> Result:
        herd.fails.clear()
        return Result(0, "", "", 0.01)

    def read(_ran: Any) -> Result:
        return Result(1, "", "unrecognized parameter", 0.01) if herd.fails else Result(0, "5432", "", 0.01)

    herd.world.on(lambda ran: rewrite_config._WRITE in ran.argv, write)
    herd.world.on(lambda ran: ran.argv[0].endswith("/postgres"), read)
    trouble.tried = ("restart_postgres", "kill_postgres")
    return trouble


def switched_off() -> Trouble:
    trouble = dead()
    server = trouble.instance.server
    trouble.herd.provider._set(server.name, STOPPED)
    type(server).objects.filter(pk=server.pk).update(state="down")
    mended = lambda: trouble.herd.provider.machines[server.name].state == RUNNING  # noqa: E731
    return replace(trouble, member=server, type="server_down", mended=mended, looked_at=False)


def full() -> Trouble:
    trouble = dead()
    Instance.objects.filter(pk=trouble.instance.pk).update(state="available")
    ended: list[bytes] = []

    def psql(ran: Any) -> Result:
        ended.append(ran.stdin)
        return Result(0, "3\n", "", 0.01)

    trouble.herd.world.on(lambda ran: ran.argv[0].endswith("/psql"), psql)
    mended = lambda: len(ended) > 1  # noqa: E731 - both its steps found some
    return replace(trouble, type="connections_exhausted", mended=mended, looked_at=False)


def no_room() -> Trouble:
    """Its host sees the room as soon as its provider has given it."""
    trouble = dead()
    server = trouble.instance.server
    type(server).objects.filter(pk=server.pk).update(facts={"disk_used_pct": "67"})
    wanted = server.disk_mb * 3 // 2
    mended = lambda: trouble.herd.provider.machines[server.name].disk_mb == wanted  # noqa: E731
    return replace(trouble, member=server, type="disk_critical", mended=mended, looked_at=False)


def unread() -> Trouble:
    """WAL is kept for a slot that nobody reads; what is taken away is gone."""
    trouble = full()
    slots, taken = ["one"], []

    def psql(_ran: Any) -> Result:
        taken.extend(slots)
        slots.clear()
        return Result(0, "\n" * len(taken), "", 0.01)

    trouble.herd.world.on(lambda ran: ran.argv[0].endswith("/psql"), psql)
    return replace(trouble, type="slot_pins_wal", mended=lambda: not slots)


def unarchived() -> Trouble:
    """The archive takes WAL again as soon as PostgreSQL tries."""
    trouble = full()
    instance, closed = trouble.instance, []
    Instance.objects.filter(pk=instance.pk).update(facts={"archiver_failing": "false"})
    trouble.herd.world.on(
        lambda ran: ran.argv[0].endswith("/psql"), lambda ran: closed.append(ran) or Result(0, "", "", 0.01)
    )
    return replace(trouble, type="archive_failing", mended=lambda: bool(closed))


def lost() -> Trouble:
    """A leader that nothing starts, on a host that can be fenced; what is built of its archive is there at once."""
    trouble = dead()
    herd, instance = trouble.herd, trouble.instance
    herd.machine()
    archived(factories.resource(instance=instance, state="down"))
    herd.world.on(("mkdir", "-p"), Result(0, "", "", 0.01))
    herd.world.on(lambda ran: remains._LAST_COMMIT in ran.argv, lambda _ran: Result(0, "", "", 0.01))

    def mended() -> bool:
        Instance.objects.filter(pk__in=Changeover.objects.values("target")).update(state="available")
        return Changeover.objects.filter(marks__has_key="ready").count() == 1

    before = ("restart_postgres", "failover", "kill_postgres", "rewrite_config")
    return replace(trouble, mended=mended, looked_at=False, tried=before)


TROUBLES = {
    "restart_postgres": dead,
    "kill_postgres": hung,
    "rewrite_config": misconfigured,
    "restart_server": switched_off,
    "free_connections": full,
    "grow_disk": no_room,
    "free_wal": unread,
    "retry_archive": unarchived,
    "replay_from_archive": lost,
}


def live(trouble: Trouble, count: Counting) -> tuple[Incident, Silent]:
    """Beats, by a new worker after each that dies, until it is resolved or a person is called."""
    ports, telling = count.wrapped(), Silent()
    incident = raise_alarm(trouble.member, trouble.type)
    Incident.objects.filter(pk=incident.pk).update(tried=list(trouble.tried))
    for _round in range(ROUNDS):
        due_incident(incident)
        pass_time(incident, 3)
        _survive(lambda: work.go_round(ports, VANTAGE, telling))
        trouble.herd.pass_time()
        if trouble.looked_at:
            due(trouble.instance, ago_s=100_000)
            queue = again(trouble.instance).queue
            _survive(lambda queue=queue: Turn(queue, ports, VANTAGE).once("instance", 1))
        elif trouble.mended():
            set_alarm(trouble.member, trouble.type, False)
        incident = again(incident)
        if incident.state in ("resolved", "needs_human"):
            break
    return incident, telling


def _survive(beat: Callable[[], Any]) -> None:
    with contextlib.suppress(Killed):
        beat()


def calls_of(make: Callable[[], Trouble]) -> list[str]:
    """What a playbook does to the world when nothing comes in between."""
    trouble = make()
    count = Counting(trouble.herd.ports)
    incident, _telling = live(trouble, count)
    assert incident.state == "resolved" and trouble.mended(), incident.problem
    return count.calls


@contextlib.contextmanager
def undone() -> Iterator[None]:
    """Whatever is written within leaves no trace."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.mark.parametrize("name", TROUBLES)
def test_undisturbed_it_mends_and_is_the_playbook_at_work(name: str) -> None:
    assert calls_of(TROUBLES[name])
    assert Journal.objects.filter(outcome="mended").get().resolver == name


@pytest.mark.parametrize("how", ERRORS)
@pytest.mark.parametrize("name", TROUBLES)
def test_cut_off_at_any_remote_call_it_is_finished_or_handed_to_a_person(name: str, how: str) -> None:
    with undone():
        calls = calls_of(TROUBLES[name])
    for n, call in enumerate(calls):
        for after in (False, True):
            with undone():
                cut_off(name, how, n, after, f"{name} {how} {'after' if after else 'before'} call {n}: {call}")


def cut_off(name: str, how: str, n: int, after: bool, told: str) -> None:
    trouble = TROUBLES[name]()
    count = Counting(trouble.herd.ports, n, after, ERRORS[how])
    incident, telling = live(trouble, count)
    assert len(count.calls) > n, told
    if incident.state == "resolved":
        assert trouble.mended(), told
        assert not Intent.objects.filter(subject=trouble.member.pk, state="open").exists(), told
    else:
        assert incident.state == "needs_human", told
        assert [what for what, _name, _more in telling.told].count("page") == 1, told
