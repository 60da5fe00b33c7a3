"""How what was asked for is taken up and taken back. A beat takes it up before it moves or acts because of it, and only
while it is open; whoever cancels it does so only before that. Both are one compare-and-set, so that nothing is done
that was cancelled, and nothing counts as cancelled that was done."""

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Now

from fleet import askers, intake, lifecycle, locking, ring, verbs
from fleet.askers import Asker, Forbidden
from fleet.choices import AskError
from fleet.lifecycle import Because, story
from fleet.models import MEMBERS, Changeover, Intent, Member, Resource
from fleet.states import ENDS

CANCEL = "cancel"
# So often code of ours may raise over one thing that was asked for.
MOST_RAISED = 3


def take_up(intent: Intent) -> bool:
    """From now on it is being done; False where it is not open any more."""
    mine = Intent.objects.filter(pk=intent.pk, state=Intent.OPEN)
    return bool(mine.update(begun_at=Coalesce(F("begun_at"), Now())))


def failed(intent: Intent) -> None:
    """What was tried did not succeed: until the next try it can be cancelled again."""
    Intent.objects.filter(pk=intent.pk, state=Intent.OPEN).update(begun_at=None)


def raised(intent: Intent, error: str) -> str:
    """Count an error of ours. At the third the Intent is refused, so that what waits behind it gets its turn; returns
    what its asker is told then, before that ""."""
    Intent.objects.filter(pk=intent.pk).update(raised=F("raised") + 1)
    intent.refresh_from_db(fields=["raised"])
    if intent.raised < MOST_RAISED:
        return ""
    told = (
        f"Herdsite's own code failed {MOST_RAISED} times at this ({error[:300]}). The request is refused; an "
        "incident was opened, and the traceback is in the log."
    )
    refused = lifecycle.answer(Intent.objects.filter(pk=intent.pk), Intent.REFUSED, told)
    return told if refused else ""


def may_cancel(intent: Intent, by: Asker) -> str:
    """Why the asker may not take it back; "" for who might have asked for it. Whose thing it is, is seen before."""
    known = verbs.verb(intent.kind, intent.verb) or verbs.verb(intent.kind, "destroy")
    return known.forbids(by, intent.params) if known else ""


def obstacle(intent: Intent) -> str:
    """Why it can't be cancelled any more; "" where it can."""
    if intent.state != Intent.OPEN:
        return f"{intent} is {intent.get_state_display().lower()} already: there is nothing to cancel."
    if intent.verb == "create":
        return f"{intent.name} is being created: to call that off, destroy it."
    if intent.parent_id and intent.parent and intent.parent.state == Intent.OPEN:
        return f"{intent} was asked for as {intent.parent}: cancel that."
    moving = _changeover(intent)
    if moving:
        known = verbs.BY_NAME[Changeover.KIND, CANCEL]
        return known.obstacle(moving)
    if intent.begun_at and not _handed_down(intent):
        return f"{intent} has begun and can't be taken back: it ends by itself, or is refused with the reason."
    return ""


def cancel(intent: Intent, by: str | Asker, reason: str = "") -> Intent:
    """Take it back. One whose changeover is there has that called off by its own table, which then answers it. Raises
    AskError with the reason where it has begun."""
    asker = askers.named(by)
    if why := may_cancel(intent, asker):
        raise Forbidden(why)
    with transaction.atomic():
        # A beat that does it holds the thing itself first.
        member: Member = locking.lock_one(MEMBERS[intent.kind], intent.subject)
        intent = locking.lock_one(Intent, intent.pk)
        if why := obstacle(intent):
            raise AskError(why)
        if moving := _changeover(intent):
            intake.write(moving, CANCEL, asker.name, reason, {}, f"{intent.pk}/{CANCEL}")
            return intent
        answer = f"cancelled by {asker.name}" + (f": {reason}" if reason.strip() else "")
        for child in _handed_down(intent):
            if not _withdraw(child, answer):
                raise AskError(f"{child} has begun and can't be taken back: it ends by itself.")
        lifecycle.answer(Intent.objects.filter(pk=intent.pk), Intent.CANCELLED, answer)
        story(member, f"{intent.verb} cancelled", Because(None, reason or "no reason given", asker.name))
        transaction.on_commit(lambda: ring.nudge(member.KIND, [member.pk]))
    intent.refresh_from_db()
    return intent


def _withdraw(child: Intent, answer: str) -> bool:
    mine = Intent.objects.filter(pk=child.pk, state=Intent.OPEN, begun_at=None)
    return bool(lifecycle.answer(mine, Intent.CANCELLED, answer))


def _handed_down(intent: Intent) -> list[Intent]:
    return list(intent.children.filter(state=Intent.OPEN))


def _changeover(intent: Intent) -> Changeover | None:
    if intent.kind != Resource.KIND:
        return None
    return Changeover.objects.filter(marks__intent=str(intent.pk)).exclude(state__in=ENDS).first()
