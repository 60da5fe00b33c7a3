"""What befalls the world during a schedule, each at a time of its own."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from tests.sim.host import PORTAL, SimHerd, links
from tests.sim.profiles import Profile
from tests.sim.schedule import Hold


@dataclass(frozen=True)
class Fault:
    """`at` is when (s from the beginning), `arg` what it strikes, `lasts` for how long (s; 0: until all is healed)."""

    at: float
    kind: str
    arg: str = ""
    lasts: float = 0.0


def _off(cast: Any, fault: Fault) -> None:
    cast.schedule.note(f"* the machine of {fault.arg} is off")
    if cast.herd.provider.machines[fault.arg].state == "running":
        cast.herd.provider.stop(fault.arg)
    if fault.lasts:
        cast.schedule.at(cast.schedule.now + fault.lasts, lambda: _on(cast, fault.arg))


def _on(cast: Any, host: str) -> None:
    if cast.herd.provider.machines[host].state == "stopped":
        cast.schedule.note(f"* somebody switches {host} on")
        cast.herd.provider.start(host)


def _crash(cast: Any, fault: Fault) -> None:
    cast.schedule.note(f"* PostgreSQL on {fault.arg} is killed")
    cast.herd.crash(fault.arg)
    cast.herd.pump()


def _freeze(cast: Any, fault: Fault) -> None:
    cast.schedule.note(f"* {fault.arg} hangs for {fault.lasts:g} s")
    cast.herd.frozen.add(fault.arg)
    if fault.lasts:
        cast.schedule.at(cast.schedule.now + fault.lasts, lambda: _thaw(cast, fault.arg))


def _thaw(cast: Any, host: str) -> None:
    if host in cast.herd.frozen:
        cast.schedule.note(f"* {host} goes on")
        cast.herd.frozen.discard(host)
        cast.herd.pump()


def _cut(cast: Any, fault: Fault) -> None:
    cast.schedule.note(f"* {fault.arg} is cut for {fault.lasts:g} s")
    one, other = fault.arg.split("|")
    cast.herd.cut.add((one, other))
    if fault.lasts:
        cast.schedule.at(cast.schedule.now + fault.lasts, lambda: _mend(cast, one, other))


def _mend(cast: Any, one: str, other: str) -> None:
    cast.schedule.note(f"* {one}|{other} is whole again")
    cast.herd.cut.discard((one, other))
    cast.herd.pump()


def _hold(cast: Any, fault: Fault) -> None:
    """Some worker is held up where `arg` says: how its point's label begins, and after how many of them."""
    label, _, after = fault.arg.partition("#")
    cast.schedule.holds.append(Hold(label, fault.lasts, int(after or 0)))


def _again(cast: Any, fault: Fault) -> None:
    cast.wires.again(fault.arg)


def _upon(cast: Any, fault: Fault) -> None:
    """When a job of that verb begins, the other fault strikes."""
    verb, kind = fault.arg.split("|")
    cast.herd.upon.append((verb, lambda: FAULTS[kind](cast, Fault(0.0, kind))))


FAULTS: dict[str, Callable[[Any, Fault], None]] = {
    "off": _off,
    "crash": _crash,
    "freeze": _freeze,
    "cut": _cut,
    "hold": _hold,
    "again": _again,
    "upon": _upon,
    "copy": lambda cast, _fault: cast.arena.keep(),
    "restore": lambda cast, _fault: cast.restore(),
    "impatient": lambda cast, _fault: cast.clients.cancel(),
    "cancel": lambda cast, _fault: cast.people.move("cancel"),
    "retry": lambda cast, _fault: cast.people.move("retry"),
    "switchover": lambda cast, _fault: cast.people.ask("switchover"),
    "failover": lambda cast, _fault: cast.people.ask("failover"),
    "resize": lambda cast, _fault: cast.people.ask("resize", plan="premium-1"),
    "destroy": lambda cast, _fault: cast.people.destroy(),
    "rebuild": lambda cast, _fault: cast.people.rebuild(),
    "force": lambda cast, _fault: cast.people.ask("failover", force=True, accept_loss="1000000"),
}
OF_HOSTS = ("off", "crash", "freeze")
LASTS_S = (0.5, 2.0, 6.0, 0.0)


def own(scenario: str, rng: Random, leader: str, standby: str) -> list[Fault]:
    """What a scenario is about."""
    lost = Fault(round(rng.uniform(0.9, 1.4), 3), rng.choice(("off", "crash", "freeze")), leader)
    behind = Fault(0.01, "cut", f"{leader}|{standby}")
    found = {
        "quiet": [],
        "switchover": [Fault(1.0, "switchover")],
        "failover": [lost],
        "standby": [Fault(1.0, "off", standby, 6.0)],
        # The standby has not all of it, and is not waited for.
        "async": [behind, replace(lost, lasts=rng.choice((0.0, 3.0)))],
        "revived": [behind, Fault(1.0, "off", leader, round(rng.uniform(2.5, 5.0), 3))],
        # We hear nothing of it, and its clients write on.
        "cut": [behind, Fault(1.0, "cut", f"{PORTAL}|{leader}"), Fault(1.1, "force")],
        "blind": [Fault(1.0, "cut", f"here|{leader}", 4.5)],
        # One of two places hears nothing, and the other has nobody awake.
        "alone": [Fault(0.95, "hold", "there/", 8.0), Fault(1.0, "cut", f"here|{leader}", 7.0)],
        # Half of the herd falls silent, and comes back.
        "storm": [Fault(1.0, "cut", f"{PORTAL}|{host}", 12.0) for host in (leader, standby)],
        # The stream is cut after it was seen to be whole and before the leader stops.
        "gap": [
            Fault(0.9, "hold", "before halt@", 1.0),
            Fault(1.0, "switchover"),
            Fault(1.1, "cut", f"{leader}|{standby}", 4.0),
        ],
        "behind": [Fault(0.01, "cut", f"{leader}|{standby}"), Fault(1.0, "switchover")],
        "twice": [Fault(1.0, "switchover"), Fault(2.2, "cancel"), Fault(4.0, "switchover"), Fault(5.0, "failover")],
        # Its START is under way when it is fenced.
        "restart": [
            behind,
            Fault(0.9, "upon", "start|force"),
            Fault(1.0, "off", leader, round(rng.uniform(0.8, 2.0), 3)),
        ],
        # Who stopped the leader writes that down when the changeover was cancelled long ago.
        "late": [Fault(0.9, "hold", "after halt@", 18.0), Fault(1.0, "switchover"), Fault(3.0, "cancel")],
        # Who is about to hand over does so when the database has been handed back.
        "return": [Fault(0.9, "hold", "begin locked", 28.0), Fault(1.0, "switchover"), Fault(20.0, "switchover")],
        # An order of the first comes once more after the second, when its host leads again.
        "back": [
            Fault(1.0, "switchover"),
            Fault(5.0, "switchover"),
            Fault(round(rng.uniform(7.0, 11.0), 3), "again", "halt@"),
        ],
        # What its commits wait for is told twice, the older last; then nobody is there to wait for.
        "told": [
            Fault(1.0, "off", standby, 4.5),
            Fault(again := round(rng.uniform(9.0, 14.0), 3), "again", f"configure@{leader}"),
            Fault(again + 0.1, "cut", f"{leader}|{standby}", 2.0),
        ],
        # A worker is held up in a changeover for longer than its lease; others go on, and a person has had enough.
        "held": [
            Fault(0.9, "hold", rng.choice(HELD_AT), rng.choice((15.0, 17.0, 20.0))),
            Fault(1.0, rng.choice(("switchover", "failover"))),
            Fault(round(rng.uniform(3.0, 16.0), 3), "cancel"),
            Fault(round(rng.uniform(16.0, 19.0), 3), rng.choice(("cancel", "switchover"))),
        ],
        "impatient": [behind, Fault(1.2, "impatient"), Fault(1.6, "impatient"), replace(lost, at=2.0, lasts=3.0)],
        # Our own database is restored to before a changeover.
        "older": [Fault(0.8, "copy"), Fault(1.0, "switchover"), Fault(round(rng.uniform(1.2, 8.0), 3), "restore")],
        "rebuild": [Fault(1.0, "rebuild")],
        "resize": [Fault(1.0, "resize")],
        "destroy": [Fault(1.0, "switchover"), Fault(round(rng.uniform(0.9, 2.5), 3), "destroy")],
        "blip": [Fault(1.0, rng.choice(("freeze", "cut")), rng.choice((leader, standby)), 0.8)],
    }
    if scenario == "blip" and found["blip"][0].kind == "cut":
        found["blip"] = [replace(found["blip"][0], arg=f"{PORTAL}|{found['blip'][0].arg}")]
    return found[scenario]


# Where a worker is held up: how its point's label begins, and how many go by first.
HELD_AT = (
    *("before halt@", "after halt@", "before promote@", "after promote@", "before provider.hold", "before psql"),
    *(f"{kind}#{after}" for kind in ("commit", "update", "begin") for after in range(0, 24, 3)),
)
SCENARIOS = ("switchover", "failover", "standby", "async", "twice", "behind", "revived", "blind")
# In these there are machines to spare.
ROOMY = ("resize", "destroy", "storm")
# How many pages these are worth at the most; where nothing else happens besides.
PAGES = {"quiet": 0, "blip": 0, "storm": 1}
# In these nothing is waited for when it begins.
ASYNC = ("async", "revived", "cut", "behind", "restart")


def draw(scenario: str, seed: int, profile: Profile, herd: SimHerd) -> list[Fault]:
    """The scenario's own, and up to so many more."""
    rng = Random(f"{seed}/faults")
    hosts = sorted(herd.provider.machines)
    leader = herd.homes[next(data for data, disk in herd.clusters.items() if not disk.standby)]
    standby = next(host for host in hosts if host != leader)
    more = []
    for _ in range(rng.randint(0, profile.most) if profile.faults and scenario not in PAGES else 0):
        kind = rng.choice(profile.faults)
        at = round(rng.choice((rng.uniform(0.5, 3.0), rng.uniform(1.0, 5.5))), 3)
        if kind in OF_HOSTS:
            more.append(Fault(at, kind, rng.choice(hosts), rng.choice(LASTS_S) if kind != "crash" else 0.0))
        elif kind == "cut":
            more.append(Fault(at, kind, "|".join(rng.choice(list(links(herd)))), rng.choice(LASTS_S)))
        else:
            more.append(Fault(at, kind))
    return sorted([*own(scenario, rng, leader, standby), *more], key=lambda fault: fault.at)
