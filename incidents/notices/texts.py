"""What is said, from the templates in templates/notices: TYPE.MOMENT.txt for customers, with default.MOMENT.txt for the
types that have no text of their own, and page.txt for whoever is on call. The first line is the subject."""

from typing import Any

from django.conf import settings
from django.template import Context
from django.template.loader import select_template

from incidents.models.notices import BREAKER, Page


def page(page: Page) -> tuple[str, str]:
    """Subject and body of a page."""
    return _render(["notices/page.txt"], {"page": page, "evidence": _lines(page.evidence), "url": link(page)})


def customer(type: str, moment: str, **values: Any) -> tuple[str, str]:
    """Subject and body of what a customer hears at that moment of an incident of that type."""
    return _render([f"notices/{type}.{moment}.txt", f"notices/default.{moment}.txt"], values)


def link(page: Page) -> str:
    """Where in the portal its incident is, or what is wrong where it is about no one incident; empty while settings.URL
    is not set."""
    if not settings.URL:
        return ""
    return f"{settings.URL}/incidents" + (f"/{page.incident_name}" if page.incident != BREAKER else "")


def _render(names: list[str], values: dict[str, Any]) -> tuple[str, str]:
    # Plain text: what is not HTML must not be escaped as if it were.
    text = select_template(names).template.render(Context(values, autoescape=False))
    subject, _, body = text.strip().partition("\n")
    return subject.strip(), body.strip() + "\n"


def _lines(evidence: Any) -> list[str]:
    if isinstance(evidence, dict):
        return [f"{name}: {value}" for name, value in evidence.items()]
    return [str(one) for one in evidence] if isinstance(evidence, list | tuple) else [str(evidence)]
