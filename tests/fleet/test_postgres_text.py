"""The pure half of fleet/postgres: names, passwords, certificates, configuration and statements as text."""

from ipaddress import ip_address

import pytest
from cryptography import x509

from fleet.postgres.config import Sizing, hba, settings
from fleet.postgres.quote import ident, literal
from fleet.postgres.scram import scram
from fleet.postgres.statements import statement
from fleet.postgres.tls import authority, certificate

SMALL, LARGE = Sizing(memory_mb=128, connections=4, disk_mb=1024), Sizing(65536, 500, 1_000_000)


@pytest.mark.parametrize("name", ["", "x" * 64, "ü" * 32, "nul\0"])
def test_names_that_postgresql_could_not_keep_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="can't be a name"):
        ident(name)


def test_quotes_are_doubled() -> None:
    assert ident('say "x"') == '"say ""x"""'
    assert literal("it's") == "'it''s'"
    assert literal("\\'") == " E'\\\\'''"
    with pytest.raises(ValueError, match="NUL"):
        literal("nul\0")


@pytest.mark.parametrize("password", ["", "pässword", "line\nbreak"])
def test_only_plain_passwords_are_made(password: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        scram(password)


def test_a_password_is_salted_anew_each_time() -> None:
    assert scram("x") != scram("x")
    assert scram("x", b"salt") == scram("x", b"salt") != scram("y", b"salt")


@pytest.mark.parametrize("address", ["127.0.0.9", "db.example.com"])
def test_the_certificate_names_the_server(address: str) -> None:
    made = certificate(["pg-1", address], authority("CA"))
    cert = x509.load_pem_x509_certificate(made.cert.encode())
    names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    found = names.get_values_for_type(x509.DNSName) + names.get_values_for_type(x509.IPAddress)
    assert found == ["pg-1", ip_address(address) if address[0].isdigit() else address]
    assert "PRIVATE" not in repr(made)


def test_configuration_follows_plan_and_version() -> None:
    small, large = settings(SMALL, 15, "*", 5432, "@s"), settings(LARGE, 17, "*", 5432, "@s")
    assert "reserved_connections" not in small
    assert large["reserved_connections"] == "8"
    assert (large["shared_buffers"], large["effective_cache_size"]) == ("16384MB", "49152MB")
    assert (small["max_wal_size"], large["max_wal_size"]) == ("128MB", "16384MB")


def test_without_tls_there_is_no_certificate_and_no_rule_for_it() -> None:
    assert "ssl" not in settings(SMALL, 18, "*", 5432, "@s", tls=False)
    assert "ssl" not in hba(tls=False)
    assert "hostnossl all          all              all reject" in hba()


def test_statements_have_variants_by_version() -> None:
    assert "inactive_since" not in statement("slots", 16)
    assert "inactive_since" in statement("slots", 17)
    assert statement("slots", 17) == statement("slots", 18)
    assert statement("slots", 0) == statement("slots", 15)


def test_statements_travel_bare() -> None:
    for name in ("service", "slots", "login"):
        assert ";" not in statement(name, 17)
        assert "--" not in statement(name, 17)
    with pytest.raises(FileNotFoundError):
        statement("nothing", 17)
