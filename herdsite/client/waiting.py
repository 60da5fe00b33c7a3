"""From an Intent to its end, with a line of progress for who looks on; and from a thing to the state that is waited
for. Ctrl-C ends the looking on, not what was asked."""

import time
from typing import Any

from herdsite.client.errors import DONE, FAILED, INTERRUPTED, TIMED_OUT, HerdError
from herdsite.client.herd import Herd
from herdsite.client.wire import step
from herdsite.client.words import label

OPEN, GOOD = "open", "done"
# How long the server may hold on to one question, and how often it is asked if it doesn't.
HOLD_S, LOOK_EVERY_S = 20, 1.0
# While somebody looks on, it is asked this often how far the work is.
GLANCE_S = 2
# Nothing comes after these but by somebody's wish.
ENDS = ("destroyed", "failed", "expired", "cancelled", "resolved", "done")


def asked(herd: Herd, intent: dict[str, Any]) -> int:
    """What came of what was just asked, as an exit code; with --no-wait, that it was asked."""
    if herd.asked.wait:
        return follow(herd, intent)
    if herd.output.as_json:
        herd.output.object(intent)
    elif herd.output.quiet:
        herd.output.say(intent["id"])
    else:
        herd.output.say(f"Requested: {_what(intent)}. Wait for its end with: herd wait {intent['id']}")
    return DONE


def follow(herd: Herd, intent: dict[str, Any]) -> int:
    """Wait for the end of an Intent and say what came of it."""
    until = time.monotonic() + herd.asked.timeout
    try:
        with herd.output.progress(_what(intent)) as shown:
            while intent["state"] == OPEN and (left := until - time.monotonic()) > 0:
                longest = GLANCE_S if shown.live else HOLD_S
                hold, began = max(1, min(longest, int(left))), time.monotonic()
                intent = herd.wire.get(f"intents/{step(intent['id'])}", {"wait": hold}, longer_s=hold)
                if intent["state"] == OPEN and shown.live:
                    shown.far = _far(herd, intent)
                if intent["state"] == OPEN and time.monotonic() - began < LOOK_EVERY_S:
                    herd.sleep(LOOK_EVERY_S)
    except KeyboardInterrupt:
        herd.output.complain(f"{_what(intent)} goes on. Wait for its end with: herd wait {intent['id']}")
        return INTERRUPTED
    return _ended(herd, intent)


def until_state(herd: Herd, kind: str, thing: dict[str, Any], wanted: str) -> int:
    """Wait until a thing is in that state."""
    place, until = f"{kind}/{step(thing['name'])}", time.monotonic() + herd.asked.timeout
    with herd.output.progress(f"{thing['name']} to be {label(wanted)}") as shown:
        while thing["state"] not in (wanted, *ENDS) and time.monotonic() < until:
            herd.sleep(min(LOOK_EVERY_S, max(0.0, until - time.monotonic())))
            thing = herd.wire.get(place)
            shown.far = _told(thing)
    if thing["state"] == wanted:
        if herd.output.as_json:
            herd.output.object(thing)
        elif not herd.output.quiet:
            herd.output.say(f"{thing['name']} is {label(wanted)}.")
        return DONE
    if thing["state"] in ENDS:
        herd.output.complain(f"{thing['name']} is {label(thing['state'])}: no beat makes it {label(wanted)}.")
        return FAILED
    herd.output.complain(f"{thing['name']} is still {label(thing['state'])}. Wait on: herd wait {thing['name']}")
    return TIMED_OUT


def _far(herd: Herd, intent: dict[str, Any]) -> str:
    """How far the work is; empty where the thing is not to be seen, or not there yet."""
    kind = intent["kind"]
    try:
        return _told(herd.wire.get(f"{kind}{'es' if kind.endswith('s') else 's'}/{step(intent['name'])}"))
    except HerdError:
        return ""


def _told(thing: dict[str, Any]) -> str:
    return "; ".join(f"{one['name']} {one['text']}" for one in thing.get("progress", ()))


def _ended(herd: Herd, intent: dict[str, Any]) -> int:
    state, said = intent["state"], (intent["answer"] or "").strip()
    if state == OPEN:
        herd.output.complain(
            f"{_what(intent)} has not ended yet and goes on. Wait for its end with: herd wait {intent['id']}"
        )
        return TIMED_OUT
    if herd.output.as_json:
        herd.output.object(intent)
    if state != GOOD:
        herd.output.complain(f"{_what(intent)} was {state}: {said or 'no reason was given.'}")
        return FAILED
    if herd.output.quiet and intent["verb"] == "create":
        herd.output.say(intent["name"])
    elif not herd.output.quiet and not herd.output.as_json:
        herd.output.say(f"{_what(intent)}: {said or 'done'}")
    return DONE


def _what(intent: dict[str, Any]) -> str:
    return f"{intent['verb']} {intent['name']}"
