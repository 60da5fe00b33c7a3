"""What `manage.py check` holds against the tables of incidents (facts, kinds and playbooks exist, and ignorance opens
nothing and does nothing) and against the settings by which people are told."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from fleet.rules import check
from incidents import watch
from incidents.life import LIFE
from incidents.notices import channels, desk, quiet
from incidents.resolvers import RESOLVERS

ACTIONS = ("step",)
MOMENTS = (desk.OPENED, desk.ASKED, desk.TRIED, desk.FIXED, desk.PLANNED)
POLICIES = (desk.NEVER, desk.HOLD, desk.SEND)


@register
def alarms(**_kwargs: Any) -> list[CheckMessage]:
    """herdsite.E011: a row of ALARMS, or of the incidents' LIFE, names what does not exist. herdsite.E012: a playbook
    without a runbook."""
    wrong = [(text, "incidents/watch.py") for text in watch.check(RESOLVERS)]
    wrong += [(text, "incidents/life.py") for text in check("incident", LIFE, ACTIONS)]
    found: list[CheckMessage] = [
        Error(text, hint=f"Correct the table in {path}.", id="herdsite.E011") for text, path in wrong
    ]
    bare = [name for name, playbook in RESOLVERS.items() if "Give up when" not in playbook.runbook]
    hint = "Write its docstring: symptom, look first, steps, give up when."
    return found + [Error(f"The playbook {name!r} has no runbook.", hint=hint, id="herdsite.E012") for name in bare]


@register
def telling(**_kwargs: Any) -> list[CheckMessage]:
    """herdsite.E013: a channel that nobody knows, or none. herdsite.E014: what customers are told is no moment, or no
    policy. herdsite.E015: the quiet hours are none."""
    known = ", ".join(channels.known())
    unknown = [name for name in settings.PAGING if name not in channels.known()]
    found: list[CheckMessage] = [
        Error(
            f"HERDSITE_PAGING: there is no channel {name!r}.",
            hint=f"Name some of {known}, in order.",
            id="herdsite.E013",
        )
        for name in unknown
    ]
    if not settings.PAGING:
        hint = f"Name at least one of {known}."
        found.append(Error("HERDSITE_PAGING: no one can be paged.", hint=hint, id="herdsite.E013"))
    hint = f"Say MOMENT=POLICY, comma-separated: {', '.join(MOMENTS)}; {', '.join(POLICIES)}."
    found += [
        Error(f"HERDSITE_NOTICES: {moment}={policy} means nothing.", hint=hint, id="herdsite.E014")
        for moment, policy in settings.NOTICES.items()
        if moment not in MOMENTS or policy not in POLICIES
    ]
    try:
        quiet.hours(settings.QUIET_HOURS)
    except ValueError as error:
        found.append(Error(f"HERDSITE_QUIET_HOURS: {error}", hint="Hours are 0 to 24.", id="herdsite.E015"))
    return found
