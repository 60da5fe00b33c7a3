"""A server that is busy, broken, away or not herdsite: what can pass is tried again, what is asked is asked once, and
every way to fail is one line and its own exit code."""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from herdsite.client.config import Login
from herdsite.client.errors import FAILED, NO_LOGIN, NOT_FOUND, UNREACHABLE, USAGE, HerdError
from herdsite.client.wire import PATIENCE_S, TRIES, Wire
from tests.client.broken import CUT_OFF, HANG, HANG_UP, Answer, problem, serving

GOOD = Answer(200, {"it": "works"})


def wire(url: str, slept: list[float] | None = None, **how) -> Wire:
    return Wire(Login(url, "herd_t"), sleep=(slept if slept is not None else []).append, **how)


def fails(one: Wire, method: str = "get", *args) -> HerdError:
    with pytest.raises(HerdError) as caught:
        getattr(one, method)("me", *args)
    assert "\n" not in str(caught.value) and "herd_t" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("first", "pause"),
    [
        (problem(429, "Too many.", Retry_After="7"), 7),
        (problem(503, "Away.", Retry_After="5"), 5),
        (problem(503, "Away."), 0.5),
        (Answer(502, b"<h1>Bad</h1>", {"Content-Type": "text/html"}), 0.5),
        (problem(503, "Away.", Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"), 0),
        (Answer(how=HANG_UP), 0.5),
        (Answer(data={"half": 1}, how=CUT_OFF), 0.5),
    ],
)
def test_what_passes_is_tried_again_after_as_long_as_it_says(first, pause):
    slept: list[float] = []
    with serving(first, GOOD) as server:
        assert wire(server.url, slept).get("me") == {"it": "works"}
    assert slept == [pause] and len(server.asked) == 2


def test_every_try_of_one_ask_carries_one_key_and_the_next_ask_another():
    with serving(Answer(how=HANG_UP), problem(503, "Away."), GOOD) as server:
        one = wire(server.url)
        one.post("resources", {"plan": "x"})
        one.post("resources", {"plan": "x"})
    keys = [headers["Idempotency-Key"] for _method, _path, headers in server.asked]
    assert keys[0] == keys[1] == keys[2] != keys[3]
    assert all(headers["Authorization"] == "Bearer herd_t" for _method, _path, headers in server.asked)


def test_patience_ends():
    slept: list[float] = []
    with serving(problem(503, "Away.", Retry_After="0")) as server:
        assert fails(wire(server.url, slept)).code == UNREACHABLE
    assert len(server.asked) == TRIES and len(slept) == TRIES - 1
    with serving(problem(429, "Slow down.", Retry_After=str(int(PATIENCE_S) + 1))) as server:
        assert "Slow down." in str(fails(wire(server.url)))
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (problem(400, "plan: There is none."), USAGE, "plan: There is none."),
        (problem(401, "Who are you?"), NO_LOGIN, "herd login"),
        (problem(403, "Not yours."), NO_LOGIN, "Not yours. `herd whoami`"),
        (problem(404, "There is no 'x'. Did you mean y?"), NOT_FOUND, "Did you mean y?"),
        (problem(409, "It is gone."), FAILED, "It is gone."),
        (problem(500, "Something is wrong."), FAILED, "(request r1)"),
        (Answer(404, b"<html>", {"Content-Type": "text/html"}), UNREACHABLE, "does not speak herdsite's API"),
        (Answer(200, b"<html>hello", {"Content-Type": "text/html"}), UNREACHABLE, "not as herdsite does"),
        (Answer(200, b"\xff\xfe", {}), UNREACHABLE, "not as herdsite does"),
        (problem(409, "two\nlines"), FAILED, "two"),
    ],
)
def test_every_other_error_is_told_at_once(run, answer, code, words):
    with serving(answer) as server:
        run.env |= {"HERD_URL": server.url, "HERD_TOKEN": "herd_t"}
        ran = run("whoami")
    assert ran.code == code and words in ran.err and ran.err.count("\n") == 1 and not ran.out
    assert len(server.asked) == 1 and not run.slept


def test_what_makes_no_sense_inside_is_no_traceback(run):
    for data in (["no", "object"], {"no": "field"}):
        with serving(Answer(200, data)) as server:
            run.env |= {"HERD_URL": server.url, "HERD_TOKEN": "herd_t"}
            assert (run("whoami").code, run("ls").code, run("info", "x").code) == (UNREACHABLE,) * 3


def test_the_token_goes_nowhere_else():
    with serving(GOOD) as other, serving(Answer(302, {}, {"Location": other.url})) as server:
        error = fails(wire(server.url))
    assert error.code == UNREACHABLE and other.url in str(error) and not other.asked
    page = Answer(200, {"next": f"{other.url}/api/v1/me?cursor=c", "results": [{"n": 1}]})
    with serving(page, Answer(200, {"next": None, "results": [{"n": 2}]})) as server:
        assert [one["n"] for one in wire(server.url).all("me", {"state": "any"})] == [1, 2]
    assert server.asked[1][1] == "/api/v1/me?cursor=c"


def test_a_server_that_hangs_or_is_not_there():
    with serving(Answer(how=HANG)) as server:
        error = fails(wire(server.url, read_s=0.1, tries=2))
        assert error.code == UNREACHABLE and "in time" in str(error) and len(server.asked) == 2
    error = fails(wire(server.url))
    assert error.code == UNREACHABLE and "refuses connections" in str(error)


def test_a_stream_that_breaks_off_is_no_end():
    lines = b'{"n": 1}\n{"n": 2}\n'
    with serving(Answer(200, lines), Answer(200, lines, how=CUT_OFF), Answer(200, lines + b'{"n"')) as server:
        one = wire(server.url)
        assert [look["n"] for look in one.lines("observations", {})] == [1, 2]
        for _break in "12":
            with pytest.raises(HerdError, match="broke off"):
                list(one.lines("observations", {}))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """One that nobody has signed but itself."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = made.add_extension(here, critical=False).add_extension(x509.BasicConstraints(True, None), critical=True)
    pem = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, *private) + pem)
    return path


def test_a_certificate_that_nobody_trusts_is_refused_unless_it_is_named(certificate, monkeypatch):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serving(GOOD, tls=context) as server:
        url = server.url.replace("http:", "https:")
        error = fails(wire(url))
        assert error.code == UNREACHABLE and "SSL_CERT_FILE" in str(error) and not server.asked
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert wire(url).get("me") == {"it": "works"}
        wrong = fails(wire(url.replace("127.0.0.1", "localhost")))
        assert wrong.code == UNREACHABLE and "not trusted" in str(wrong)
