"""Epochs number the orders that hosts get. One is drawn when a changeover begins and when one is called off, and it is
never used again: a host that has taken a newer order refuses an older one, however late it arrives."""

from typing import Any

from django.db import connection, transaction
from django.db.models import Q

from fleet import locking
from fleet.models import Instance
from fleet.plans import STARTER


def draw(resource_id: Any, above: int = 0) -> int:
    """The next epoch of a resource, which its leader and its standbys bear from now on; one that is greater than
    `above`. The row stays locked until the transaction ends, so that two draws have an order."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE fleet_resource SET epoch = greatest(epoch, %s) + 1 WHERE id = %s RETURNING epoch, instance_id",
                [above, resource_id],
            )
            epoch, leader = cursor.fetchone()
        theirs = Instance.objects.filter(Q(pk=leader) | Q(standby_for=resource_id)).exclude(plan__tier=STARTER)
        Instance.objects.filter(pk__in=locking.lock(theirs.values_list("pk", flat=True))).update(epoch=epoch)
    return int(epoch)


def bear(instance_id: Any, epoch: int) -> None:
    """What is built to take over bears the epoch of its changeover, whose orders its host gets."""
    Instance.objects.filter(pk=instance_id, epoch__lt=epoch).update(epoch=epoch)
