"""Nobody gets into a server, or its provider says that it is off: switch it on, off before if it must be.

Symptom: the server is down, and with it everything that lives on it.
Look first: does its provider announce something? Are its neighbours in the zone well? (If not, the brake holds.)
Steps: what seems to run and is only unreachable gets another minute; then it is switched off, and on. Its instances
recover from their WAL: nothing that was acknowledged is lost.
Give up when: the provider has no such machine, or can't switch it (an adopted host: a person has to).
"""

from fleet.providers.base import ABSENT, PENDING, RUNNING, Provider, ProviderError
from incidents.outcomes import Case, Outcome, again, fixed, give_up

BLIP_S = 60.0
PENDING_S = 300.0


def look(case: Case) -> Outcome:
    try:
        machine = _provider(case).describe(case.subject.name)
    except ProviderError as error:
        return again(5, str(error)) if case.step_s < BLIP_S else give_up(str(error))
    if machine.state == ABSENT:
        return give_up("its provider has no such machine")
    if machine.state == PENDING and case.step_s < PENDING_S:
        return again(5, "its provider is at it")
    if machine.state == RUNNING and case.step_s < BLIP_S:
        return again(5, "it runs, its provider says: it may be a blip of the network")
    return fixed(f"it is {machine.state}")


def off(case: Case) -> Outcome:
    return _switch(case, "stop")


def on(case: Case) -> Outcome:
    return _switch(case, "start")


def _switch(case: Case, verb: str) -> Outcome:
    try:
        getattr(_provider(case), verb)(case.subject.name)
    except ProviderError as error:
        return give_up(str(error))
    return fixed()


def _provider(case: Case) -> Provider:
    return case.ports.provider(case.subject.provider)


STEPS = (look, off, on)
