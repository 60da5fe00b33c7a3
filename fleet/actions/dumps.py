"""What can be done with a database as a whole: begin a logical backup of it, and put another content into it, by a
detached job on the host of its instance. Whatever goes wrong there, the old content stays until the new is complete."""

from django.core.exceptions import ObjectDoesNotExist

from fleet import jobs, logical
from fleet.actions import hosts
from fleet.actions.base import Acting, Action, ActionError, answered, refuse
from fleet.lifecycle import answer
from fleet.logical import leaving, loading, outside
from fleet.models import Instance, Intent, Resource
from fleet.subject import Subject
from fleet.transports.base import Shell, checked


def dump(resource: Resource, acting: Acting) -> str:
    """Begin a logical backup; its own beats take it. Who asked for it is told its name."""
    asked = acting.intent if acting.intent and acting.intent.verb == "dump" else None
    backup = logical.begin(resource, acting.subject.now, asked)
    if asked:
        answer(Intent.objects.filter(pk=asked.pk), Intent.DONE, backup.name)
    return backup.name


def load(resource: Resource, acting: Acting) -> str | None:
    """Begin to put in what was asked for; what may not be is refused."""
    intent = _asked(acting)
    shell, subject = _host(resource, acting)
    why = logical.refusal(resource, intent.params)
    if why:
        return _refuse(intent, why)
    try:
        script = loading.script(resource, intent, subject)
    except (outside.NotAllowed, ObjectDoesNotExist) as error:
        return _refuse(intent, str(error))
    jobs.start(shell, subject.home, acting.subject.job, script.text, script.args, script.stdin)
    return f"{intent.params.get('backup') or 'from outside'}"


def load_again(resource: Resource, acting: Acting) -> str | None:
    """Its job died: clear that away and begin anew."""
    shell, subject = _host(resource, acting)
    jobs.clean(shell, subject.home, acting.subject.job)
    return load(resource, acting)


def tell_load(resource: Resource, acting: Acting) -> str:
    """Say, while it goes on, what will be left out: in the answer, which stands while the intent is still open."""
    shell, subject = _host(resource, acting)
    found = leaving.told(_log(shell, subject, acting), leaving.WILL)
    text = f"The load leaves out: {leaving.sentence(found) or 'nothing'}"
    Intent.objects.filter(pk=_asked(acting).pk, state=Intent.OPEN).update(answer=text)
    return text


def finish_load(resource: Resource, acting: Acting) -> str | None:
    """Answer with what was left out; a check, with what would be."""
    shell, subject = _host(resource, acting)
    log = _log(shell, subject, acting)
    if _asked(acting).params.get(loading.CHECK):
        begin, found = "The dump can be loaded; nothing was replaced", leaving.told(log, leaving.WILL)
    else:
        begin, found = acting.because.why, leaving.told(log, leaving.LEFT)
    text = f"{begin}. Left out: {leaving.sentence(found)}" if found else begin
    said = answered(acting, text)
    jobs.clean(shell, subject.home, acting.subject.job)
    return said


def abandon_load(resource: Resource, acting: Acting) -> str | None:
    """Take away what is left of it, and say why: all that stands against it at once."""
    shell, subject = _host(resource, acting)
    obstacles = leaving.sentence(leaving.told(_log(shell, subject, acting), leaving.OBSTACLE))
    jobs.clean(shell, subject.home, acting.subject.job)
    script = loading.tidy(resource, _asked(acting), subject)
    argv = ["sh", "-c", script.text, "herdsite", *script.args]
    checked(argv, shell.run(argv, timeout=20.0))
    if not obstacles:
        return refuse(resource, acting)
    return _refuse(_asked(acting), f"{acting.because.why}: {obstacles}")


def _log(shell: Shell, subject: Subject, acting: Acting) -> str:
    """Reads what the dump's job told of it."""
    argv = ["sh", "-c", leaving.TOLD, "herdsite", f"{subject.home}/jobs/{acting.subject.job}/log"]
    return checked(argv, shell.run(argv)).out


def _refuse(intent: Intent, why: str) -> str:
    answer(Intent.objects.filter(pk=intent.pk), Intent.REFUSED, why)
    return f"refused: {why}"


def _asked(acting: Acting) -> Intent:
    if acting.intent is None:
        raise ActionError("The request is gone.")
    return acting.intent


def _host(resource: Resource, acting: Acting) -> tuple[Shell, Subject]:
    return hosts.of(Instance.objects.select_related("server").get(pk=resource.instance_id), acting)


ACTIONS: dict[str, Action] = {
    "dump": dump,
    "load": load,
    "load_again": load_again,
    "tell_load": tell_load,
    "finish_load": finish_load,
    "abandon_load": abandon_load,
}
