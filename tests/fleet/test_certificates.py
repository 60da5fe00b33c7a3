"""Who is issued which certificate, when it is renewed, and from when on it is checked."""

import threading
from datetime import timedelta

import pytest
from cryptography import x509
from django.db import connection
from django.utils import timezone

from fleet import certificates, context, ring, streams, subjects
from fleet.facts import FACTS, UNPROVEN, Facts
from fleet.models import Authority, Changeover, Instance, ServerCertificate
from fleet.postgres.config import CERTIFICATE, DYNAMIC, ROOTS
from fleet.rules import think
from fleet.think import LIFE
from tests import factories
from tests.fakeherd import FakeHerd
from tests.herd import again, change
from tests.premiumworld import Premium, premium
from tests.worlds import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> Premium:
    return premium(FakeHerd())


def facts(instance: Instance) -> dict:
    (loaded,) = context.load("instance", ring.Claim(instance.pk, [instance.pk], timezone.now()), "here/1")
    return dict(loaded.facts)


def alias(text: str) -> list[str]:
    found = x509.load_pem_x509_certificate(text.encode()).extensions
    names = found.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.DNSName) + [str(ip) for ip in names.get_values_for_type(x509.IPAddress)]


def issue(instance: Instance) -> ServerCertificate:
    certificates.issue(instance)
    return ServerCertificate.objects.get(instance=instance)


def settled(instance: Instance) -> Instance:
    """It was issued a certificate and told."""
    certificates.issue(instance)
    told = {"told": streams.wanted(instance, streams.quorum(instance)), certificates.PROVES: "true"}
    change(instance, attrs=again(instance).attrs | told)
    return again(instance)


def test_each_member_of_a_resource_carries_its_stable_address(world: Premium) -> None:
    endpoint = world.resource.address.endpoint
    for one in (world.leader, world.standby):
        assert set(alias(issue(one).certificate)) >= {one.name, one.server.address, endpoint}
    assert len({one.authority_id for one in ServerCertificate.objects.all()}) == Authority.objects.count() == 1


def test_whoever_may_take_over_carries_it_too(world: Premium) -> None:
    endpoint = world.resource.address.endpoint
    follower = factories.instance(role=Instance.STANDBY, upstream=world.leader, timeline=world.leader.timeline)
    factories.resource(instance=follower, follows=world.resource)
    bigger, stranger = factories.instance(), factories.instance()
    factories.changeover(resource=world.resource, target=bigger, reason=Changeover.RESIZE)
    factories.resource(instance=stranger)
    assert endpoint in certificates.names(follower) and endpoint in certificates.names(bigger)
    assert endpoint not in certificates.names(stranger)


def test_a_batch_knows_the_names_without_asking_for_each(world: Premium) -> None:
    ids = [world.leader.pk, world.standby.pk]
    loaded = context.load("instance", ring.Claim(ids[0], ids, timezone.now()), "here/1")
    for one in loaded:
        assert one.member.endpoints == [world.resource.address.endpoint]
        assert certificates.names(one.member) == certificates.names(again(one.member))


@pytest.mark.parametrize("spoil", ["missing", "ends", "address", "authority", "roots"])
def test_a_certificate_that_does_not_fit_is_a_reason_to_tell_again(world: Premium, spoil: str) -> None:
    leader = settled(world.leader)
    assert facts(leader)["configured"] is True
    if spoil == "missing":
        ServerCertificate.objects.all().delete()
    elif spoil == "ends":
        ServerCertificate.objects.update(renew_at=timezone.now() - timedelta(seconds=1))
    elif spoil == "address":
        change(world.resource.address, endpoint="192.0.2.77")
    elif spoil == "authority":
        Authority.objects.filter(state=Authority.CURRENT).update(state=Authority.FORMER)
        certificates.make(Authority.CURRENT)
    else:
        certificates.make(Authority.NEXT)
    assert facts(leader)["configured"] is False
    fresh = settled(again(leader))
    assert facts(fresh)["configured"] is True


def test_what_fits_is_issued_once(world: Premium) -> None:
    first = issue(world.leader)
    assert issue(again(world.leader)).certificate == first.certificate
    assert first.renew_at < first.ends_at
    files = certificates.files(again(world.leader))
    assert files[CERTIFICATE].startswith(first.certificate) and "PRIVATE KEY" in files[CERTIFICATE]
    assert files[ROOTS] == Authority.objects.get().certificate


def test_files_reach_their_places_before_the_one_that_names_them() -> None:
    assert sorted([DYNAMIC, CERTIFICATE, ROOTS])[-1] == DYNAMIC


@pytest.mark.django_db(transaction=True)
def test_two_who_need_the_first_ca_at_once_make_one() -> None:
    begin, made = threading.Barrier(4), []

    def work() -> None:
        begin.wait()
        made.append(certificates.authority().pk)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(made) == 4 and len(set(made)) == Authority.objects.count() == 1


def test_keys_are_not_kept_in_clear(world: Premium) -> None:
    issue(world.leader)
    with connection.cursor() as cursor:
        for table in ("fleet_authority", "fleet_servercertificate"):
            cursor.execute(f"SELECT key FROM {table}")
            assert all("PRIVATE" not in key and key.startswith("gAAAA") for (key,) in cursor.fetchall())


# From when on it is checked.


def test_an_instance_of_before_is_looked_at_as_before_until_it_was_given_a_certificate(world: Premium) -> None:
    """A herd that is upgraded loses sight of nothing, and from the first telling on there is no way back."""
    leader = world.leader
    change(leader, attrs={"told": "by an earlier herdsite", "boot_id": "boot-0"})
    assert subjects.monitored(again(leader), timezone.now()).database.sslmode == "require"
    world.settle(lambda: certificates.proves(again(leader)))
    database = subjects.monitored(again(leader), timezone.now()).database
    assert database.sslmode == "verify-full" and database.roots == Authority.objects.get().certificate
    world.settle(world.whole)
    assert world.herd.clusters[leader.data].told["ssl_cert_file"] == CERTIFICATE
    ServerCertificate.objects.all().delete()
    Authority.objects.all().delete()
    certificates.memory.forget()
    assert subjects.monitored(again(leader), timezone.now()).database.sslmode == "verify-full"


def test_a_resource_is_checked_by_the_certificate_of_what_it_lives_on(world: Premium) -> None:
    assert subjects.database_of(again(world.resource)).sslmode == "require"
    settled(world.leader)
    database = subjects.database_of(again(world.resource))
    assert (database.address, database.sslmode) == (world.resource.address.endpoint, "verify-full")


def test_a_standby_checks_its_leader_once_that_has_a_certificate(world: Premium) -> None:
    before = streams.wanted(world.standby, {})
    assert "sslmode=require channel_binding=require" in streams.conninfo(world.standby)
    settled(world.leader)
    standby = again(world.standby)
    assert streams.wanted(standby, {}) != before
    assert f"sslmode=verify-full sslrootcert={standby.data}/{ROOTS}" in streams.conninfo(standby)


def test_who_does_not_prove_to_be_it_is_given_a_certificate_over_ssh_once_in_each_doubt(world: Premium) -> None:
    leader = settled(world.leader)
    seen = {"service_available": "false", "service_code": UNPROVEN, "postmaster": "true", "ssh": "true"}
    since = timezone.now().timestamp() - 5
    change(leader, state="uncertain", facts=seen, evidence={"since": since})
    assert facts(again(leader))["configured"] is False
    change(leader, attrs=leader.attrs | {"told_at": f"{since + 1:.0f}"})
    assert facts(again(leader))["configured"] is True


@pytest.mark.parametrize(
    ("seen", "row"),
    [
        ({}, 312),
        ({"configured": True}, 317),
        ({"service_code": "57P03"}, 317),
        ({"postmaster": False, "ssh": True}, 313),
        ({"role": "standby", "upstream_state": "down"}, 317),
        ({"role": "standby", "upstream_state": "available"}, 312),
    ],
)
def test_only_what_runs_and_is_not_believed_is_given_another(seen: dict, row: int) -> None:
    doubted = {"service_available": False, "service_code": UNPROVEN, "postmaster": True, "outdated": False}
    known = dict.fromkeys(FACTS) | doubted | {"configured": False, "role": "leader"} | seen
    assert think(LIFE["instance"], "uncertain", Facts(NOW, known)).row == row
