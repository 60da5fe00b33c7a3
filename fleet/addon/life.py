"""What an add-on's platform is told next. One row a beat, first match wins; pure.

A step that the platform declined is passed over until there is something else to say: asking again would get the same
answer. Times in seconds.
"""

from collections.abc import Collection
from dataclasses import dataclass

from fleet.conditions import Condition, always, no, over, under, yes

LEAVE, EXCHANGE, REFRESH, WITHDRAW, END = "leave", "exchange", "refresh", "withdraw", "end"
GIVE_UP, PUSH, TELL, INFORM, SUBSCRIBE, WAIT = "give_up", "push", "tell", "inform", "subscribe", "wait"
# Declined for good: the platform does not know the add-on any more.
GONE = "gone"

# A request is answered by then, or nobody waits for the answer any more.
ANSWERED_S = 30.0
# The platform gives up after twelve hours; we do so earlier, and say so.
PATIENCE_S = 11 * 3600.0
# A token is refreshed so long before it runs out.
REFRESH_S = 120.0

# How long until the next look: while it is not ready, and in quiet times.
SOON_S, LOOK_S = 5.0, 60.0
# How long after the n-th failure in a row.
LONGEST_WAIT_S = 300.0


@dataclass(frozen=True)
class Standing:
    """One add-on at one beat. `grant` is that there is a code that can be exchanged, `voice` that the platform can be
    spoken to about it, `left_s` how long its token still lives (None: as long as it likes); `answered` the status that
    its request got; `ready` that the database serves and has a URL, `going` that it is being destroyed or is no more,
    `gone` that it is no more; `fresh` that the platform has the present config, `told` that it knows the database is
    ready, `ended` that the platform wants it no more, `leaving` that it wants it no more and waits to hear that it is
    gone; `hears` that we want to be told of what changes there, `subscribed` that we asked for it."""

    age_s: float
    answered: int | None = None
    grant: bool = False
    voice: bool = False
    left_s: float | None = None
    ready: bool = False
    going: bool = False
    gone: bool = False
    fresh: bool = False
    told: bool = False
    informed: bool = False
    hears: bool = False
    subscribed: bool = False
    ended: bool = False
    leaving: bool = False
    gave_up: bool = False


@dataclass(frozen=True)
class Row:
    row: int
    when: Condition
    step: str
    because: str


_unanswered = Condition("unanswered", ("answered",), lambda it: it["answered"] is None)

# fmt: off
LIFE = (
    # row, when
    #   step        because

    # the platform has removed it
    Row(91,  yes("ended"),
        LEAVE,      "The platform has removed the add-on"),

    # 100: tokens come first: without one nothing can be told
    Row(101, yes("grant"),
        EXCHANGE,   "An OAuth code expires after 5 minutes: exchange it for a token"),
    Row(103, yes("voice") & under("left_s", REFRESH_S),
        REFRESH,    "The access token is about to expire"),
    Row(191, yes("leaving") & no("going"),
        LEAVE,      "The platform asked for removal and waits until the database is gone"),
    Row(193, yes("leaving") & no("gone"),
        WAIT,       "The database is being destroyed"),

    # 200: the end, and what is not ready in time
    Row(201, yes("going") & yes("voice"),
        WITHDRAW,   "The database is being destroyed: tell the platform"),
    Row(203, yes("going"),
        END,        "The database is being destroyed, and without a token the platform can't be told"),
    Row(211, no("told") & over("age_s", PATIENCE_S) & no("gave_up"),
        GIVE_UP,    "The database is still not ready: give up before the platform does"),

    # 300: the config, which says that it is ready
    Row(301, _unanswered & under("age_s", ANSWERED_S),
        WAIT,       "The platform's request is still being answered"),
    Row(303, no("ready") & no("told"),
        WAIT,       "The database is being built"),
    Row(311, yes("ready") & no("fresh") & yes("voice"),
        PUSH,       "The config has changed: send it to the platform"),
    Row(313, yes("ready") & yes("fresh") & no("told") & yes("voice"),
        TELL,       "The platform has the config: report the database as ready"),

    # 400: what the platform can tell
    Row(401, no("informed") & yes("voice"),
        INFORM,     "The owner and the app are not known yet: ask the platform"),
    Row(403, yes("hears") & yes("told") & no("subscribed") & yes("voice"),
        SUBSCRIBE,  "The platform can report its changes: subscribe to them"),

    # 900: nothing to tell
    Row(901, always,
        WAIT,       "Nothing to tell"),
)
# fmt: on


def think(it: Standing, declined: Collection[str] = (), saying: str = "") -> Row:
    """The first row that is true and whose step was not declined. `saying` is the config's digest: another config is
    another step."""
    facts = vars(it)
    return next(row for row in LIFE if row.when(facts) and key(row.step, saying) not in declined)


def key(step: str, saying: str) -> str:
    """By which a declined step is remembered. What only waits, or is ours alone, is never declined."""
    return f"{step} {saying[:12]}" if step == PUSH else step


def look_s(it: Standing) -> float:
    """Until the next look, when there is nothing to tell."""
    return LOOK_S if (it.told or it.gave_up) and not it.leaving else SOON_S


def retry_s(tries: int, asked_s: float | None) -> float:
    """After the n-th failure in a row: twice as long each time, never less than what the platform asked for."""
    return max(min(2.0 ** min(tries, 10), LONGEST_WAIT_S), asked_s or 0.0)
