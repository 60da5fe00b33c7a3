"""What befalls the world during a schedule, each at a time of its own."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from tests.sim.host import PORTAL, SimHerd, links
from tests.sim.profiles import Profile


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


FAULTS: dict[str, Callable[[Any, Fault], None]] = {
    "off": _off,
    "crash": _crash,
    "freeze": _freeze,
    "cut": _cut,
    "cancel": lambda cast, _fault: cast.people.move("cancel"),
    "retry": lambda cast, _fault: cast.people.move("retry"),
    "switchover": lambda cast, _fault: cast.people.ask("switchover"),
    "failover": lambda cast, _fault: cast.people.ask("failover"),
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
        "storm": [Fault(1.0, "cut", f"{PORTAL}|{leader}"), Fault(1.0, "cut", f"{PORTAL}|{standby}", 1.5)],
        "behind": [Fault(0.01, "cut", f"{leader}|{standby}"), Fault(1.0, "switchover")],
        "twice": [Fault(1.0, "switchover"), Fault(2.2, "cancel"), Fault(4.0, "switchover"), Fault(5.0, "failover")],
    }
    return found[scenario]


SCENARIOS = ("switchover", "failover", "standby", "async", "twice", "behind", "revived", "blind")
# In these nothing is waited for when it begins.
ASYNC = ("async", "revived", "cut", "behind")


def draw(scenario: str, seed: int, profile: Profile, herd: SimHerd) -> list[Fault]:
    """The scenario's own, and up to so many more."""
    rng = Random(f"{seed}/faults")
    hosts = sorted(herd.provider.machines)
    leader = herd.homes[next(data for data, disk in herd.clusters.items() if not disk.standby)]
    standby = next(host for host in hosts if host != leader)
    more = []
    for _ in range(rng.randint(0, profile.most) if profile.faults else 0):
        kind = rng.choice(profile.faults)
        at = round(rng.choice((rng.uniform(0.5, 3.0), rng.uniform(1.0, 5.5))), 3)
        if kind in OF_HOSTS:
            more.append(Fault(at, kind, rng.choice(hosts), rng.choice(LASTS_S) if kind != "crash" else 0.0))
        elif kind == "cut":
            more.append(Fault(at, kind, "|".join(rng.choice(list(links(herd)))), rng.choice(LASTS_S)))
        else:
            more.append(Fault(at, kind))
    return sorted([*own(scenario, rng, leader, standby), *more], key=lambda fault: fault.at)
