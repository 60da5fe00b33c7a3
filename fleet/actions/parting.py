"""How a follower becomes a leader of its own: promoted, with an archive of its own and a password that its former
leader's clients don't know."""

import secrets

from django.db import transaction
from django.db.models.functions import Now

from fleet import archiving, epochs, ring
from fleet.actions import hosts
from fleet.actions.base import Acting, ActionError, fulfil
from fleet.models import Credential, Instance, Resource, Timeline
from fleet.postgres import control, roles
from fleet.postgres.scram import scram


def unfollow(resource: Resource, acting: Acting) -> str:
    """Each step can be repeated: what was promoted stays so, and the password is only asked for anew."""
    instance = Instance.objects.select_related("server", "timeline", "upstream").get(pk=resource.instance_id)
    if resource.follows_id is None and "parting" not in resource.attrs:
        raise ActionError(f"{resource.name} is not a follower.")
    if instance.role == Instance.STANDBY:
        _records(resource, instance)
        instance.refresh_from_db()
    shell, subject = hosts.orders(instance, acting, instance.epoch)
    said = control.promote(shell, subject, instance.generation)
    Timeline.objects.filter(pk=instance.timeline_id).update(
        timeline_id=int(said["timeline_id"]), forked_lsn=said.get("forked_lsn", ""), forked_at=Now()
    )
    owner = resource.credentials.get(purpose=Credential.OWNER)
    control.run_sql(shell, subject, roles.set_password(owner.role, scram(owner.secret)))
    ring.nudge(Instance.KIND, [instance.pk])
    resource.attrs.pop("parting", None)
    resource.attrs["copied"] = "true"
    Resource.objects.filter(pk=resource.pk).update(attrs=resource.attrs)
    fulfil(resource, acting)
    return f"promoted at {said.get('forked_lsn') or 'where it was'}"


def _records(resource: Resource, instance: Instance) -> None:
    with transaction.atomic():
        epochs.draw(resource.pk)
        old = instance.timeline
        instance.timeline = archiving.begin(
            f"{instance.name}-line-{resource.generation + 1}",
            str(instance.pk),
            archived=resource.plan.keep_days > 0,
            parent=old,
            plan=resource.plan,
            major=instance.major,
            resource=resource,
            timeline_id=old.timeline_id + 1,
            system_identifier=old.system_identifier,
        )
        instance.role, instance.upstream, instance.generation = Instance.LEADER, None, resource.generation + 1
        instance.save(update_fields=["role", "upstream", "timeline", "generation"])
        Credential.objects.filter(resource=resource, purpose=Credential.OWNER).update(
            secret=Credential(secret=secrets.token_urlsafe(24)).secret
        )
        resource.attrs["parting"] = "true"
        Resource.objects.filter(pk=resource.pk).update(
            forked_from=resource.follows_id, follows=None, generation=instance.generation, attrs=resource.attrs
        )
    resource.refresh_from_db()
