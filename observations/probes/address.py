"""A stable address by its provider's word: that it is there, and where it leads."""

from fleet.providers.base import Endpoint
from fleet.subject import Subject
from observations.probes.base import Answer

FILLS = ("endpoint", "leads_to")


def ask(subject: Subject) -> str:
    return subject.name


def read(answer: Answer) -> dict[str, str | None]:
    """`endpoint` is "none" where the provider says that there is no such address; `leads_to` is empty for nowhere."""
    endpoint: Endpoint | None = answer.said
    if endpoint is None:
        return {"endpoint": "none", "leads_to": ""}
    return {"endpoint": endpoint.address, "leads_to": endpoint.machine}
