"""SSH to a server fails, or its provider reports that the machine is off: switch it on, off first if need be.

Symptom: the server is down, and with it every instance on it.
Look first: does the provider announce something? Are other servers in the zone healthy? (If not, the brake is on.)
Steps: a machine that seems to run and can't be reached gets another minute; then it is switched off, and on. PostgreSQL
recovers from its WAL: no acknowledged write is lost.
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
        return give_up("the provider has no such machine")
    if machine.state == PENDING and case.step_s < PENDING_S:
        return again(5, "the provider is starting or stopping the machine")
    if machine.state == RUNNING and case.step_s < BLIP_S:
        return again(5, "the provider says that the machine runs: the network may have failed for a moment")
    return fixed(f"the machine is {machine.state}")


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
