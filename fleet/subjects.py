"""Our own records as feeling and acting see them: Subjects, Databases, and the names of detached jobs."""

from dataclasses import replace
from datetime import datetime

from fleet import certificates
from fleet.models import Address, Credential, Instance, Intent, Resource
from fleet.orders import Order
from fleet.states import CREATING, DESTROYING, DOWN
from fleet.subject import INSTANCE, Subject
from fleet.transports.base import VERIFIED, Database

MONITOR_DB = "postgres"


def instance_subject(
    member: Instance, now: datetime, monitor: Credential | None = None, job: str = "", beat_s: float = 15.0
) -> Subject:
    """An instance as feeling and acting see it; without a database to look into where no monitor is given."""
    server = member.server
    return Subject(
        INSTANCE,
        member.pk,
        member.name,
        member.state,
        now,
        provider=server.provider,
        zone=server.zone,
        host=server.host() if server.host_key else None,
        home=server.home,
        bind=server.bind,
        database=database(server.address, member.port, MONITOR_DB, monitor, certificates.proves(member)),
        major=member.major,
        bin=server.pg.get(str(member.major), ""),
        data=member.data,
        socket=member.socket,
        port=member.port,
        job=job,
        order=Order(member.epoch),
        interval_s=beat_s,
        known=member.facts,
        probed=member.probed,
    )


def monitored(instance: Instance, now: datetime) -> Subject:
    """The same with the database that the monitoring role looks into."""
    return instance_subject(
        instance, now, Credential.objects.filter(instance=instance, purpose=Credential.MONITOR).first()
    )


def database(
    address: str, port: int, dbname: str, credential: Credential | None, proves: bool = False
) -> Database | None:
    """Where to look; None while the server has no address yet or the role no password. `proves`: who answers there has
    to show a certificate of the herd's CA for that address."""
    if not address or credential is None:
        return None
    found = Database(address, port, dbname, credential.role, credential.secret)
    return replace(found, sslmode=VERIFIED, roots=certificates.roots()) if proves else found


def serving(address: Address | None) -> Address | None:
    """The stable address, once it has led to the leader: from then on it is the one that customers use."""
    return address if address and address.endpoint and address.attrs.get("served") == "true" else None


def database_of(resource: Resource) -> Database | None:
    """Where its customer finds it, and with which password; None while it has no place."""
    owner = next((one for one in resource.credentials.all() if one.purpose == Credential.OWNER), None)
    return customers(resource, owner)


def customers(resource: Resource, owner: Credential | None) -> Database | None:
    """The same, for whoever has the credential at hand."""
    instance = resource.instance
    if instance is None:
        return None
    stable = serving(getattr(resource, "address", None))
    host, port = (stable.endpoint, stable.port) if stable else (instance.server.address, instance.port)
    return database(host, port, resource.dbname, owner, certificates.proves(instance))


def again(instance: Instance) -> bool:
    """It was built before, and is being made a standby anew."""
    return instance.state == CREATING and instance.state_since > instance.created_at


def job(instance: Instance, intent: Intent | None) -> str:
    """The detached job that the instance's next step hangs on, by name; "" when there is none. A name is used for one
    run only, so that a job begun twice runs once."""
    since = int(instance.state_since.timestamp() * 1000)
    if instance.state == CREATING:
        return f"{instance.name}-rejoin-{since}" if again(instance) else f"{instance.name}-build"
    if instance.state == DESTROYING:
        return f"{instance.name}-destroy"
    if intent and intent.verb in ("restart", "stop", "start"):
        return f"{instance.name}-{intent.verb}-{intent.pk.hex[:8]}"
    boot = instance.facts.get("boot_id")
    if instance.state == DOWN and boot:
        # Once for each run of the host, and for each time that it went down.
        return f"{instance.name}-start-{boot.replace('-', '')[:8]}-{since}"
    # What runs where another leads has to be found, whatever it answers.
    return f"{instance.name}-outdated" if instance.outdated else ""
