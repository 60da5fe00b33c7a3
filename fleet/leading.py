"""The records of the instances once another one leads. Whoever changes them holds their rows, and that of
their resource."""

from fleet.models import Instance, Resource

# Whose beat it is, and whose action.
LEASES = ("lease", "leased_until", "acting", "acting_until")


def take_over(resource: Resource, source: Instance, target: Instance, generation: int) -> None:
    """`target` leads on its `timeline`, `source` led until now and comes back only as a standby, and whoever followed
    that one follows the new leader; of another major version nobody can."""
    target.role, target.upstream, target.standby_for = Instance.LEADER, None, None
    target.generation = generation
    # Beats that are under way think of a standby and a leader that were: one could have the new leader copied anew,
    # or start the old one. They are dropped.
    fresh = ["role", "upstream", "standby_for", "generation", "timeline", *LEASES]
    for name in LEASES:
        setattr(target, name, None)
        setattr(source, name, None)
    target.outdated = False
    target.save(update_fields=[*fresh, "major", "outdated"])
    # Nothing follows another version: whoever has the old one is let go once the new one serves.
    upgraded = target.major != source.major
    source.role, source.upstream, source.outdated = Instance.STANDBY, None if upgraded else target, True
    source.standby_for, source.generation, source.timeline = resource, generation, target.timeline
    source.save(update_fields=[*fresh, "outdated"])
    others = Instance.objects.filter(upstream=source).exclude(pk=target.pk)
    if upgraded:
        others.update(upstream=None, outdated=True)
    else:
        others.update(upstream=target, timeline=target.timeline, generation=generation)
