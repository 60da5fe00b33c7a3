"""How wild a schedule is: what may happen at its points, how often, and which faults come."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.sim.schedule import Odds

PAUSES = (0.01, 0.1, 1.0, 5.0, 20.0)


@dataclass(frozen=True)
class Profile:
    """`faults` are the kinds that may be drawn besides the scenario's own, `most` how many of them; `writes_s` how
    often clients write (s), `straight` whether some are connected past the address."""

    name: str
    workers: int = 2
    most: int = 2
    faults: tuple[str, ...] = ()
    odds: Mapping[str, Odds] = field(default_factory=dict)
    writes_s: float = 0.5
    straight: bool = True


CALM = Profile("calm", most=0)
PLAIN = Profile(
    "plain",
    most=1,
    faults=("crash", "freeze", "off"),
    odds={
        "wire": Odds(0.01, {"lost": (0.0,), "unanswered": (0.0,), "slow": (0.3,)}),
        "point": Odds(0.005, {"pause": (0.01, 0.1, 1.0), "kill": (0.0,)}),
    },
)
WILD = Profile(
    "wild",
    workers=3,
    most=3,
    faults=("crash", "freeze", "off", "cut", "cancel", "retry", "failover", "switchover", "rebuild"),
    odds={
        "wire": Odds(
            0.02, {"lost": (0.0,), "unanswered": (0.0,), "slow": (0.3, 2.0), "held": (3.0, 30.0), "twice": (0.5, 20.0)}
        ),
        "point": Odds(0.01, {"pause": PAUSES, "kill": (0.0,), "clock": (-30.0, 0.0, 30.0)}),
    },
)
# What comes late, or twice, and workers that are held up for longer than their leases.
LATE = Profile(
    "late",
    most=2,
    faults=("cancel", "retry", "crash", "switchover"),
    odds={
        "wire": Odds(0.03, {"unanswered": (0.0,), "held": (3.0, 15.0), "twice": (3.0, 15.0)}),
        "point": Odds(0.02, {"pause": (1.0, 15.0, 20.0), "kill": (0.0,)}),
    },
)
PROFILES = {profile.name: profile for profile in (CALM, PLAIN, WILD, LATE)}
