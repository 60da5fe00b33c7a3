"""Steps that ask the thing itself to do something, as a person would: an Intent that its own beats carry out, answer
and tell in its story. Nothing is done behind the back of its table, and asking twice asks once."""

from fleet import lifecycle
from fleet.intents import AskError, ask
from fleet.models import Intent
from incidents.outcomes import Case, Outcome, again, fixed, give_up

PATIENCE_S = 180.0


def asked(case: Case, verb: str, reason: str) -> Outcome:
    """Ask it, under the key of this run of the playbook."""
    try:
        ask(case.member, verb, actor=case.actor, reason=reason, key=case.key, again=True)
    except AskError as error:
        return give_up(str(error))
    return fixed(f"asked to {verb}")


def answered(case: Case) -> Outcome:
    """What its table made of that. An asking that is not answered in time is withdrawn."""
    intent = Intent.objects.get(key=case.key)
    if intent.state == Intent.OPEN and case.step_s < PATIENCE_S:
        return again(1, f"{intent.verb} is under way")
    if intent.state == Intent.OPEN:
        why = f"{intent.verb} was not done within {PATIENCE_S:g} s"
        lifecycle.answer(Intent.objects.filter(pk=intent.pk), Intent.CANCELLED, why)
        return give_up(why)
    return fixed(intent.answer) if intent.state == Intent.DONE else give_up(f"{intent.verb}: {intent.answer}")
