"""What `manage.py check` holds against the tables of incidents: facts, kinds and playbooks exist, and ignorance opens
nothing and does nothing."""

from typing import Any

from django.core.checks import CheckMessage, Error, register

from fleet.rules import check
from incidents import watch
from incidents.life import LIFE
from incidents.resolvers import RESOLVERS

ACTIONS = ("step",)


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
