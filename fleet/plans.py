"""The plans that herdsite offers from the start, and what each promises. The Plan model keeps them; operators may
add their own. Sizes in MB, times in seconds."""

from dataclasses import dataclass

STARTER, PRODUCTION = "starter", "production"


@dataclass(frozen=True)
class Offer:
    """`connections` is the limit of one resource; `beat_s` how often it is looked at; `doubt_s` how long silence
    must last before it is a verdict; `shared_by` how many resources one instance of it takes; `keep_days`
    how far one can go back in time."""

    name: str
    tier: str
    label: str
    memory_mb: int
    disk_mb: int
    connections: int
    beat_s: float
    doubt_s: float
    shared_by: int = 1
    rows: int | None = None
    high_availability: bool = False
    keep_days: int = 0
    offered: bool = True


OFFERS = (
    # name           tier         label         memory   disk  conns  beat  doubt
    Offer("starter-0", STARTER, "Starter 0", 512, 1_024, 20, 60, 60, shared_by=50, rows=10_000),
    Offer("starter-1", STARTER, "Starter 1", 512, 1_024, 20, 60, 60, shared_by=50, rows=10_000_000),
    Offer("standard-0", PRODUCTION, "Standard 0", 256, 4_096, 120, 15, 20, keep_days=4),
    Offer("standard-1", PRODUCTION, "Standard 1", 1_024, 16_384, 200, 15, 20, keep_days=4),
    Offer("premium-0", PRODUCTION, "Premium 0", 256, 4_096, 120, 1, 2.5, high_availability=True, keep_days=7),
    Offer("premium-1", PRODUCTION, "Premium 1", 1_024, 16_384, 200, 1, 2.5, high_availability=True, keep_days=7),
)
