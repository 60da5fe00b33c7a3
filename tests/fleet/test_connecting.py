"""Connection strings, and the CA that goes with them."""

import json
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from django.core.management import CommandError, call_command
from psycopg.conninfo import conninfo_to_dict

from fleet import certificates, connecting, rotation, streams
from fleet.addon import config
from fleet.models import Authority, Instance, ServerCertificate
from fleet.transports.base import Database
from tests import factories
from tests.herd import again, change

ODD = "s:e/c@r?e#t%;'\"="
PLACES = ["db.example.com", "192.0.2.7", "::1", "2001:db8::7"]


def at(address: str, password: str = ODD) -> Database:
    return Database(address, 5441, "d/1", "u:1", password)


@pytest.mark.parametrize("address", PLACES)
@pytest.mark.parametrize("kind", ["url", "plain node", "libpq", "node", "sqlalchemy", "jdbc"])
def test_whatever_is_in_it_a_url_is_read_as_it_was_meant(address: str, kind: str) -> None:
    database = at(address)
    plain = {"url": connecting.url(database), "plain node": connecting.node(database)}
    text = (plain | connecting.strings(database, "/etc/ca.pem"))[kind]
    parts = urlsplit(text.removeprefix("jdbc:"))
    query = {name: values[0] for name, values in parse_qs(parts.query, strict_parsing=True).items()}
    login = (parts.username, parts.password) if kind != "jdbc" else (query.pop("user"), query.pop("password"))
    assert tuple(unquote(word or "") for word in login) == ("u:1", ODD) or kind == "jdbc" and login == ("u:1", ODD)
    assert (parts.hostname, parts.port, unquote(parts.path)) == (address, 5441, "/d/1")
    verified = {"sslmode": "verify-full", "sslrootcert": "/etc/ca.pem"}
    assert query == {"url": {"sslmode": "require"}, "plain node": {"sslmode": "no-verify"}}.get(kind, verified)


@pytest.mark.parametrize("address", PLACES)
def test_libpq_reads_its_own(address: str) -> None:
    read = conninfo_to_dict(connecting.strings(at(address), "/etc/ca.pem")["libpq"])
    assert (read["host"], read["port"], read["dbname"], read["password"]) == (address, "5441", "d/1", ODD)


def test_a_quote_does_not_end_a_value_for_dotnet() -> None:
    text = connecting.strings(at("::1", 'a"b;Host=evil'))["dotnet"]
    assert 'Host="::1";Port=5441;' in text and 'Password="a""b;Host=evil";SSL Mode=VerifyFull;' in text


# The CA is handed out.

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> Instance:
    """An instance that was issued a certificate and told."""
    beneath = factories.instance(server=factories.server(address="127.0.0.9"))
    made = factories.resource(name="shop", instance=beneath).instance
    tell(made)
    return again(made)


def tell(instance: Instance) -> None:
    certificates.memory.forget()
    fresh = again(instance)
    certificates.issue(fresh)
    told = {"told": streams.wanted(fresh, {}), certificates.PROVES: "true"}
    change(fresh, attrs=fresh.attrs | told)


def test_everybody_gets_the_ca_and_nobody_a_key(client, shop: Instance, capsys) -> None:
    root = Authority.objects.get()
    answer = client.get("/ca.pem")
    assert answer.status_code == 200 and answer.content.decode() == root.certificate
    assert "PRIVATE" not in answer.content.decode() and client.post("/ca.pem").status_code == 405
    call_command("ca")
    assert capsys.readouterr().out == root.certificate


def test_a_herd_without_a_ca_says_so_and_a_page_makes_none(client) -> None:
    assert client.get("/ca.pem").status_code == 404
    assert not Authority.objects.exists()


def test_an_add_on_gets_it_beside_its_url_where_the_manifest_says_so(shop: Instance, settings, capsys) -> None:
    resource = shop.resources.get()
    assert set(config.of(resource)) == {"HERDSITE_URL"}
    settings.ADDON_CA = True
    assert config.of(resource)["HERDSITE_CA"] == Authority.objects.get().certificate
    call_command("manifest")
    assert json.loads(capsys.readouterr().out)["api"]["config_vars"] == list(config.of(resource))


def test_the_url_of_what_proves_who_it_is_still_asks_for_no_file(shop: Instance) -> None:
    assert config.of(shop.resources.get())["HERDSITE_URL"].endswith("?sslmode=require")


# It changes.


def test_a_ca_changes_in_three_steps_and_nobody_is_left_behind(shop: Instance) -> None:
    other = factories.resource(name="blog").instance
    tell(other)
    old = Authority.objects.get()
    call_command("rotate_ca")
    fresh = Authority.objects.get(state=Authority.NEXT)
    assert certificates.roots() == old.certificate + fresh.certificate
    with pytest.raises(CommandError, match=f"{other.name}.*{shop.name}|{shop.name}.*{other.name}"):
        call_command("rotate_ca")
    tell(shop)
    with pytest.raises(CommandError, match=f": {other.name}"):
        call_command("rotate_ca")
    tell(other)
    assert {one.authority for one in ServerCertificate.objects.all()} == {old}, "the next one signs nothing"
    call_command("rotate_ca")
    assert certificates.authority() == fresh and again(old).state == Authority.FORMER
    with pytest.raises(CommandError, match="former CA"):
        call_command("rotate_ca")
    tell(shop)
    with pytest.raises(CommandError, match=f": {other.name}"):
        call_command("rotate_ca")
    tell(other)
    call_command("rotate_ca")
    assert again(old).state == Authority.RETIRED and certificates.roots() == fresh.certificate
    assert not rotation.trusts(again(shop)), "it is told to forget the old one"


def test_a_certificate_that_is_on_record_and_not_on_the_host_keeps_the_old_ca(shop: Instance) -> None:
    call_command("rotate_ca")
    tell(shop)
    call_command("rotate_ca")
    certificates.issue(again(shop))
    with pytest.raises(CommandError, match=shop.name):
        call_command("rotate_ca")


def test_what_is_destroyed_holds_nobody_up(shop: Instance) -> None:
    call_command("rotate_ca")
    change(shop, state="destroyed")
    for _ in range(2):
        call_command("rotate_ca")
    assert Authority.objects.filter(state__in=Authority.TRUSTED).count() == 1
