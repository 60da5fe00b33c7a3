"""What can be done about one PostgreSQL. Everything that takes a while is begun as a detached job on the host, named
after the step it is for (context.job); later beats see what became of it."""

from fleet import jobs
from fleet.actions.base import Acting, Action, ActionError, answer, fulfil, refuse
from fleet.models import Credential, Instance, Intent, Plan, Resource
from fleet.postgres import control, roles
from fleet.postgres.config import Sizing
from fleet.postgres.roles import Limits
from fleet.states import DESTROYED
from fleet.transports.base import Shell

# A shared instance sells more connections than it has: never are all of its tenants at their limit at once.
TENANTS_AT_ONCE = 10


def build(instance: Instance, acting: Acting) -> None:
    """Begin initdb, configuration, TLS, first start and monitoring role; and for an instance that serves one resource
    alone, that resource's database as well, which spares it a round."""
    if not acting.subject.bin:
        raise ActionError(f"{instance.server} has no PostgreSQL {instance.major}.")
    monitor = Credential.objects.get(instance=instance, purpose=Credential.MONITOR)
    control.build(
        _shell(acting), acting.subject, acting.subject.job, sizing(instance.plan), monitor.secret, also=_first(instance)
    )


def rebuild(instance: Instance, acting: Acting) -> str:
    """Clear a failed build away and begin anew."""
    why = acting.facts["job_why"]
    _begin_anew(instance, acting)
    build(instance, acting)
    return f"it had said: {why}" if why else "it had ended without a word"


def destroy_again(instance: Instance, acting: Acting) -> None:
    """Clear a failed removal's job away and begin anew."""
    _begin_anew(instance, acting)
    control.destroy(_shell(acting), acting.subject, acting.subject.job)


def _begin_anew(instance: Instance, acting: Acting) -> None:
    """Forget the job that failed; a person who asked for that is answered, and the tries count from the start."""
    jobs.clean(_shell(acting), acting.subject.home, acting.subject.job)
    if acting.intent and acting.intent.verb == "retry":
        answer(Intent.objects.filter(pk=acting.intent.pk), Intent.DONE, "trying again")
        instance.tries = 0


def restart(_instance: Instance, acting: Acting) -> None:
    control.restart(_shell(acting), acting.subject, acting.subject.job)


def stop(_instance: Instance, acting: Acting) -> None:
    control.stop(_shell(acting), acting.subject, acting.subject.job)


def start(_instance: Instance, acting: Acting) -> None:
    control.start(_shell(acting), acting.subject, acting.subject.job)


def destroy(_instance: Instance, acting: Acting) -> None:
    control.destroy(_shell(acting), acting.subject, acting.subject.job)


def sizing(plan: Plan) -> Sizing:
    """How an instance of this plan is configured: a shared one serves all of its resources."""
    return Sizing(
        memory_mb=plan.memory_mb,
        connections=plan.connections * min(plan.shared_by, TENANTS_AT_ONCE),
        disk_mb=plan.disk_mb,
    )


def limits(plan: Plan) -> Limits:
    return Limits(connections=plan.connections, temp_mb=plan.disk_mb // 4)


def _first(instance: Instance) -> str:
    resource = Resource.objects.filter(instance=instance).exclude(state=DESTROYED).select_related("plan").first()
    if resource is None or not resource.own_instance:
        return ""
    owner = resource.credentials.get(purpose=Credential.OWNER)
    return roles.create_resource(resource.dbname, owner.role, control.scram(owner.secret), limits(resource.plan))


def _shell(acting: Acting) -> Shell:
    if acting.subject.host is None:
        raise ActionError("Its server has no pinned host key: nothing can be done there.")
    return acting.ports.shell(acting.subject.host)


ACTIONS: dict[str, Action] = {
    "build": build,
    "rebuild": rebuild,
    "restart": restart,
    "stop": stop,
    "start": start,
    "destroy": destroy,
    "destroy_again": destroy_again,
    "fulfil": fulfil,
    "refuse": refuse,
}
