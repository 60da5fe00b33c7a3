"""How an incident reaches people: what the desk of notices does, as its callers see it."""

from typing import Any, Protocol

from incidents.models import Incident

OPENED, ASKED, TRIED, FIXED = "opened", "asked", "tried", "fixed"


class Telling(Protocol):
    """Writes down who is to be told; nothing is sent before the caller's transaction has ended well."""

    def page(self, incident: Incident, evidence: dict[str, Any], runbook: str) -> Any:
        """Call a person; the same escalation again is one call."""
        ...

    def acknowledged(self, incident: Incident, by: str) -> Any:
        """A person has it in hand: the page does not come again."""
        ...

    def ended(self, incident: Incident) -> Any:
        """The page, if there is one, ends with the incident."""
        ...

    def tell_customer(self, incident: Incident, moment: str) -> Any:
        """Its customer hears of it, as policy says. `moment` is "opened", "asked", "tried" or "fixed"."""
        ...


class Silent:
    """Tells nobody and remembers whom it would have told: [(what, incident's name, more)]."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, str]] = []

    def page(self, incident: Incident, evidence: dict[str, Any], runbook: str) -> None:
        self.told.append(("page", incident.name, f"{evidence}\n{runbook}"))

    def acknowledged(self, incident: Incident, by: str) -> None:
        self.told.append(("acknowledged", incident.name, by))

    def ended(self, incident: Incident) -> None:
        self.told.append(("ended", incident.name, ""))

    def tell_customer(self, incident: Incident, moment: str) -> None:
        self.told.append(("customer", incident.name, moment))
