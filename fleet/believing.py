"""herdsite takes the word of the hosts for who leads a database, after an earlier state of herdsite's own database was
restored. Until a person asks for that, nothing is done to an instance whose host has newer orders (instance row 91).

What is recorded is newer than all that a host has taken: the generation by one, so that a configuration of ours is
accepted again, and the epoch by a wide margin, because a host that is well is not asked for its own.
"""

from datetime import datetime

from django.db import transaction
from django.db.models import Q

from fleet import archiving, epochs, leading, lifecycle, locking, quorums, ring
from fleet.lifecycle import Because
from fleet.models import Changeover, Instance, Intent, Resource, Timeline
from fleet.states import CANCELLED, DESTROYED, DESTROYING, DONE, REPOINTING
from fleet.succession import believing, quorum
from fleet.succession.believing import Belief, Word

# No herd has had so many changeovers of one database since the copy was made.
MARGIN = 1_000


def members(resource: Resource) -> list[Instance]:
    """The leader by the records and the standbys of a database, except those that are destroyed."""
    mine = Instance.objects.filter(Q(pk=resource.instance_id) | Q(standby_for=resource))
    return list(mine.exclude(state__in=(DESTROYING, DESTROYED)).order_by("name"))


def belief(resource: Resource, intent: Intent) -> Belief:
    """The leader that the looks since the request show."""
    words = [_word(one, intent.asked_at) for one in members(resource)]
    return believing.judge(words, intent.params.get("leader", ""), bool(intent.params.get("force")))


def ask_for_looks(resource: Resource) -> None:
    ring.nudge(Instance.KIND, [one.pk for one in members(resource)])


def _word(instance: Instance, asked_at: datetime) -> Word:
    in_recovery = instance.facts.get("in_recovery")
    answers = instance.facts.get("service_available") == "true" and in_recovery is not None
    return Word(
        instance.name,
        instance.felt_at is not None and instance.felt_at > asked_at,
        in_recovery == "false" if answers else None,
        _number(instance, "generation") > instance.generation or _number(instance, "host_epoch") > instance.epoch,
    )


def _number(instance: Instance, fact: str) -> int:
    return int(instance.facts.get(fact) or 0)


def record(resource: Resource, intent: Intent, because: Because) -> str:
    """Write who leads, as the hosts show it; returns what was written, or why nothing was. In one transaction, beside
    which no changeover of this database goes on: those that the records know are over."""
    with transaction.atomic():
        fresh = locking.lock_one(Resource, resource.pk)
        open_ = locking.lock(Changeover.objects.filter(resource=fresh).exclude(state__in=(DONE, CANCELLED)))
        hers = Q(pk=fresh.instance_id) | Q(standby_for=fresh) | Q(upstream=fresh.instance_id)
        locked = {one.name: one for one in locking.lock(Instance.objects.filter(hers))}
        found = belief(fresh, intent)
        if found.says != believing.LEADS:
            why = found.why or "The instances have not been looked at since the request"
            return _answer(intent, Intent.REFUSED, why)
        for changeover in open_:
            _end(changeover, because)
        return _answer(intent, Intent.DONE, _lead(fresh, locked[found.leader], list(locked.values())))


def _lead(resource: Resource, leader: Instance, theirs: list[Instance]) -> str:
    source = next(one for one in theirs if one.pk == resource.instance_id)
    generation = 1 + max(resource.generation, *(max(one.generation, _number(one, "generation")) for one in theirs))
    seen = max(resource.epoch, *(max(one.epoch, _number(one, "host_epoch")) for one in theirs))
    line = _line(resource, source, leader, generation)
    if leader == source:
        Instance.objects.filter(Q(pk=leader.pk) | Q(upstream=leader)).update(generation=generation, timeline=line)
    else:
        leader.timeline = line
        leading.take_over(resource, source, leader, generation)
    resource.instance, resource.generation = leader, generation
    # What its commits wait for is not known before it was asked.
    resource.quorum = quorums.kept(quorum.promoted(quorums.record(resource.quorum)))
    resource.save(update_fields=["instance", "generation", "quorum"])
    epoch = epochs.draw(resource.pk, above=seen + MARGIN)
    # A mark of a changeover that the records don't know lies there for nobody: its instance's table removes it.
    stray = None if leader.facts.get("service_available") == "true" else epoch
    Instance.objects.filter(pk=leader.pk).update(fenced_by=stray)
    ring.nudge(Instance.KIND, [one.pk for one in theirs])
    archived = "" if line == source.timeline else f"; WAL is archived under {line.name} from now on"
    return f"{leader.name} is recorded as the leader, from generation {generation} on{archived}"


def _end(changeover: Changeover, because: Because) -> None:
    """A changeover that the older records take for under way ended long ago, one way or another."""
    lifecycle.move(changeover, "finish" if changeover.state == REPOINTING else "cancel", because)
    asked = Intent.objects.filter(pk=changeover.marks.get("intent"))
    lifecycle.answer(asked, Intent.REFUSED, "herdsite's records were older than the hosts: ask again")


def _line(resource: Resource, source: Instance, leader: Instance, generation: int) -> Timeline:
    """The timeline that it writes: that of the records, if PostgreSQL's number of it is still the same."""
    old, now = source.timeline, _number(leader, "timeline_id")
    if leader == source and now in (0, old.timeline_id):
        return old
    return archiving.begin(
        f"{resource.name[:44]}-line-{generation}",
        str(leader.pk),
        archived=bool(old.archive),
        parent=old,
        plan=resource.plan,
        major=leader.major,
        resource=resource,
        timeline_id=now or old.timeline_id + 1,
        system_identifier=old.system_identifier,
    )


def _answer(intent: Intent, state: str, text: str) -> str:
    lifecycle.answer(Intent.objects.filter(pk=intent.pk), state, text)
    return text
