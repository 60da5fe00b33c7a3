"""What may replace the content of a database: a logical backup of ours, or a dump that lies elsewhere. All that can be
refused is refused before anything begins; once more when its beat takes it up, for what has changed."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet

from fleet import logical
from fleet.askers import Asker
from fleet.choices import AskError
from fleet.models import Backup, Resource


def check(resource: Resource, params: Mapping[str, Any], by: Asker) -> None:
    """Whether the database can be loaded by {"backup": NAME} (with "across_customers": true for another customer's,
    which is for operators to say) or {"url": ADDRESS}. To a customer, what another has is as if it were not there.
    Raises AskError."""
    name, url = params.get("backup"), str(params.get("url") or "")
    if by.customer and name and not own(resource, by).filter(name=name).exists():
        raise AskError(f"There is no logical backup {name!r} of {'this database' if by.platform else 'yours'}.")
    if by.customer and url and not url.startswith("https://"):
        raise AskError("An address begins with https://.")
    if by.customer and params.get("across_customers"):
        raise AskError("Only operators let data go from one customer to another.")
    if why := logical.refusal(resource, params):
        raise AskError(why)


def own(resource: Resource, by: Asker) -> QuerySet[Backup]:
    """The logical backups of the resource's customer; of the resource alone, where no other may be seen."""
    found = Backup.objects.filter(method=Backup.LOGICAL, resource__customer=resource.customer_id)
    return found.filter(resource=resource) if by.platform else found
