"""What can befall a database with high availability and those who look after it, one fault at a time; and what has to
hold whatever befalls it. Done to a live herd by `bin/bench chaos` and by tests/live.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from threading import Thread

import psutil
from django.conf import settings
from django.db import InterfaceError, OperationalError, connections

from bench.premium import NotYet, Premium, changed, pages, until
from bench.writer import Writer, connect, rows
from fleet import changing
from fleet.lifecycle import Because
from fleet.models import Changeover, Instance, Server
from fleet.providers.local import chaos, spawn
from fleet.states import DESTROYED, DONE, FENCING, PREPARING, PROMOTING, REPOINTING
from fleet.succession.quorum import CANT_LOSE
from herdsite.embedded import Embedded

OVER_S = 60.0
# So many writes acknowledged after a fault say that it is over for its customer.
ENOUGH = 50


@dataclass
class Scene:
    """`herdsite` names its own processes, `kill_workers` kills those who take the steps of changeovers, and others come
    in their place. `undo` is done before the fault counts as healed."""

    premium: Premium
    herdsite: Callable[[], Sequence[psutil.Process]]
    kill_workers: Callable[[], None]
    undo: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.leader: Instance = self.premium.leader

    @property
    def host(self) -> str:
        return self.leader.server.name

    @property
    def standby_host(self) -> str:
        return self.premium.standbys[0].server.name


def own(pids: Iterable[int]) -> list[psutil.Process]:
    """herdsite's own processes, those with these numbers and what came of them; hosts are none of them."""
    found = []
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            parent = psutil.Process(pid)
            found += [one for one in (parent, *parent.children(recursive=True)) if "manage.py" in one.cmdline()]
    return found


@dataclass(frozen=True)
class Fault:
    """`moves`: another has to lead afterwards (True), nobody else may (False), or that depends (None). It is healed
    once it is over, or after `lasts_s` where nobody could end it before."""

    kind: str
    strike: Callable[[Scene], object]
    moves: bool | None = None
    lasts_s: float = 0.0


@dataclass(frozen=True)
class Told:
    """What became of one fault. `stray` are writes that an old leader acknowledged after another was promoted."""

    kind: str
    moved: bool
    gap_s: float
    acknowledged: int
    lost: int
    stray: int
    unfinished: int
    pages: int
    problem: str = ""


def suffer(fault: Fault, premium: Premium, scene: Scene) -> Told:
    """Let one fault happen to a whole database with customers who write, and heal it."""
    generation, problem = premium.resource.generation, ""
    with ExitStack() as stack:
        straight = stack.enter_context(premium.written(straight=True))
        writer = stack.enter_context(premium.written())
        began = time.time()
        with scene.undo:
            fault.strike(scene)
            try:
                _outlast(fault, premium, writer, began, generation)
            except NotYet as error:
                problem = str(error)
        try:
            premium.mend()
            healed = time.time()
            until(lambda: writer.since(healed) > ENOUGH, "writes when all is well again", OVER_S)
        except NotYet as error:
            problem = f"{problem}; {error}".strip("; ")
        gap_s, _ended = writer.gap(began)
    return Told(
        kind=fault.kind,
        moved=premium.resource.generation > generation,
        gap_s=round(gap_s, 2),
        acknowledged=len(writer.acked),
        lost=premium.lost(),
        stray=stray(straight, premium, began),
        unfinished=len(premium.open()),
        pages=pages(began),
        problem=problem,
    )


def _outlast(fault: Fault, premium: Premium, writer: Writer, began: float, generation: int) -> None:
    if fault.moves:
        until(lambda: premium.resource.generation > generation and not premium.open(), "another leads", OVER_S)
        led = time.time()
        until(lambda: writer.since(led) > ENOUGH, f"writes go on: {writer.why}", OVER_S)
    else:
        time.sleep(max(0.0, began + fault.lasts_s - time.time()))


def stray(straight: Writer, premium: Premium, began: float) -> int:
    """How many writes the old leader acknowledged to a client of its own after another was promoted, which that one
    never had."""
    done = [one for one in changed(premium, began) if one.state == DONE]
    promoted = min((one.marks["promoted"] for one in done), default=float("inf"))
    late = {n for n, at in straight.acked if at > promoted}
    return len(late - rows(premium.straight(premium.leader))) if late else 0


def kill_postgres(scene: Scene) -> None:
    chaos.kill_postgres(scene.premium.provider, scene.host, scene.leader.data)


def kill_host(scene: Scene) -> None:
    chaos.kill_host(scene.premium.provider, scene.host)


def freeze_host(scene: Scene) -> None:
    chaos.pause_host(scene.premium.provider, scene.host)


def stall(scene: Scene) -> None:
    """PostgreSQL answers nobody, for less than the doubt window."""
    chaos.stop_postgres(scene.premium.provider, scene.host, scene.leader.data)
    scene.undo.callback(chaos.heal, scene.premium.provider, scene.host)


def freeze_standby(scene: Scene) -> None:
    chaos.pause_host(scene.premium.provider, scene.standby_host)


def kill_standby(scene: Scene) -> None:
    chaos.kill_host(scene.premium.provider, scene.standby_host)


def cut(direction: str) -> Callable[[Scene], None]:
    """The leader's host from its standby, its customers and us."""
    return lambda scene: chaos.cut_network(scene.premium.provider, scene.host, direction)


def part(scene: Scene) -> None:
    """The leader's host from its standby's, both ways, and from nobody else."""
    for host in (scene.host, scene.standby_host):
        chaos.part(scene.premium.provider, host)


def lag_and_lose(scene: Scene) -> None:
    """The standby is away until commits wait for it no more, and far behind by then; when the leader's host dies and it
    is back, it may not take over: there is more to lose than anybody has accepted."""
    premium = scene.premium
    freeze_standby(scene)
    until(lambda: premium.resource.quorum.get("says") != CANT_LOSE, "commits wait for it no more", OVER_S)
    with connect(premium.customers()) as customer:
        customer.execute("CREATE TABLE IF NOT EXISTS bulk AS SELECT 1 AS n, '' AS filler LIMIT 0")
        customer.execute("INSERT INTO bulk SELECT n, repeat(md5(n::text), 100) FROM generate_series(1, 20000) AS n")
    until(lambda: premium.leader.facts.get("lsn"), "its WAL is seen", OVER_S)
    kill_host(scene)
    chaos.heal(premium.provider, scene.standby_host)


def cut_all(scene: Scene) -> None:
    """Our own network: no host of the herd is heard of."""
    for name in Server.objects.exclude(state=DESTROYED).values_list("name", flat=True):
        chaos.cut_network(scene.premium.provider, name)


def fill_disk(scene: Scene) -> None:
    chaos.fill_disk(scene.premium.provider, scene.host)


def away_archive(scene: Scene) -> None:
    """Nobody gets into the archive, and the leader's host dies."""
    root = spawn.land(settings.VAR / "archive")
    mode = root.stat().st_mode
    root.chmod(0)
    scene.undo.callback(root.chmod, mode)
    kill_host(scene)


def kill_workers(*states: str) -> Callable[[Scene], None]:
    """The leader's host dies, and those who mend that do too, in each of the states in which they are caught."""

    def strike(scene: Scene) -> None:
        kill_host(scene)
        catch(scene, states, scene.kill_workers)

    return strike


def catch(scene: Scene, states: Sequence[str], then: Callable[[], object]) -> None:
    """Do something once in each of these states of the changeover, as far as it is seen in them."""
    left, end = set(states), time.monotonic() + OVER_S
    while left and time.monotonic() < end:
        try:
            state = Changeover.objects.filter(resource=scene.premium.key).values_list("state", flat=True).first()
            if state in left:
                left.remove(state)
                then()
            if len(left) < len(states) and not scene.premium.open():
                return
        except (OperationalError, InterfaceError):
            connections.close_all()
        time.sleep(0.005)


def bounce_database(scene: Scene) -> None:
    """The leader's host dies, and our own database restarts while that is being mended."""
    kill_host(scene)

    def bounce() -> None:
        embedded = Embedded(settings.VAR)
        embedded.stop()
        embedded.start()
        connections.close_all()

    catch(scene, (FENCING, PROMOTING), bounce)


def lose_both(scene: Scene) -> None:
    """The standby's host dies in the middle of the failover to it."""
    standby = scene.standby_host
    kill_host(scene)
    catch(scene, (PREPARING,), lambda: chaos.kill_host(scene.premium.provider, standby))


def ask_twice(scene: Scene) -> None:
    """Two operators ask for a switchover in the same moment: one of them is told that it is under way."""
    answers: list[object] = []

    def ask(who: str) -> None:
        try:
            answers.append(
                changing.begin(scene.premium.resource, Changeover.SWITCHOVER, Because(None, "planned work", who))
            )
        except changing.Busy as error:
            answers.append(error)

    threads = [Thread(target=ask, args=(who,)) for who in ("anna", "bert")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if sorted(type(one).__name__ for one in answers) != ["Busy", "Changeover"]:
        raise AssertionError(f"two asked at once and were told: {answers}")


def freeze_herdsite(scene: Scene) -> None:
    """All that is herdsite stands still, as when its machine is moved; the undoing lets it go on."""
    for process in scene.herdsite():
        with suppress(psutil.NoSuchProcess):
            process.suspend()
            scene.undo.callback(resume, process)


def freeze_worker(scene: Scene) -> None:
    """One worker process stands still with whatever it holds."""
    process = next(one for one in scene.herdsite() if "feel" in " ".join(one.cmdline()) and not one.children())
    process.suspend()
    scene.undo.callback(resume, process)


def resume(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.resume()


MOVING = (
    Fault("host killed", kill_host, True),
    Fault("host frozen", freeze_host, True),
    Fault("leader cut off, both ways", cut("both"), True),
    Fault("leader cut off, inward", cut("in"), True),
    Fault("leader cut off, outward", cut("out"), True),
    Fault("archive away, host killed", away_archive, True),
    Fault("own database restarted", bounce_database, True),
    Fault("two ask at once", ask_twice, True),
)
STAYING = (
    Fault("leader stalled for a moment", stall, False, 1.2),
    Fault("a worker frozen", freeze_worker, False, 8.0),
    Fault("herdsite frozen", freeze_herdsite, False, 5.0),
    Fault("herdsite cut off", cut_all, False, 8.0),
    Fault("standby frozen", freeze_standby, False, 8.0),
    Fault("standby killed", kill_standby, False, 8.0),
    Fault("leader and standby parted", part, False, 8.0),
)
EITHER = (
    # Nobody takes over while more could be lost than was accepted. When the old leader has started again, the standby
    # may have caught up before that one is seen to lead.
    Fault("standby far behind, host killed", lag_and_lose, None, 25.0),
    # While nobody mends, the host's own playbook may bring the leader back: it leads on then, and that is called off.
    Fault("worker killed in each step", kill_workers(PREPARING, FENCING, PROMOTING, REPOINTING), None, 25.0),
    Fault("PostgreSQL killed", kill_postgres, None, 5.0),
    Fault("disk full", fill_disk, None, 25.0),
    Fault("standby lost in the failover", lose_both, None, 10.0),
)
CATALOGUE = (*MOVING, *STAYING, *EITHER)
