"""One POST: what goes over the wire, what comes of every kind of answer, and that its deadline holds."""

import socket
import ssl
import threading
from contextlib import suppress
from uuid import UUID

import pytest

from fleet.transports import lanes, post
from tests.certificates import certificate
from tests.contracts.receivers import Answer, HttpServer


@pytest.fixture
def raw():
    """A listener whose only guest is served by a function of its connection."""
    closing = []

    def listen(serve, wrap=lambda guest: guest):
        listener = socket.create_server(("127.0.0.1", 0))
        closing.append(listener)

        def run():
            with suppress(OSError), wrap(listener.accept()[0]) as guest:
                serve(guest)

        threading.Thread(target=run, daemon=True).start()
        return listener.getsockname()[1]

    yield listen
    for listener in closing:
        listener.close()


def told(text: str = "ok"):
    def serve(guest):
        guest.recv(65536)
        guest.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode())

    return serve


def test_what_is_sent_and_what_comes_back(receiver: HttpServer) -> None:
    receiver.answers.append(Answer(202, "thank you", {"retry-after": "7"}))
    answer = post.post(f"{receiver.url}/in?a=b", "ünï".encode(), {"X-Own": "1"}, 5)
    assert (answer.status, answer.text, answer.retry_after, answer.taken) == (202, "thank you", "7", True)
    [(path, headers, body)] = receiver.requests
    assert (path, body.decode()) == ("/in?a=b", "ünï")
    assert (headers["content-length"], headers["x-own"]) == ("5", "1")
    assert headers["host"] == receiver.url.removeprefix("http://")
    assert "transfer-encoding" not in headers and "authorization" not in headers


@pytest.mark.parametrize("status", [301, 400, 410, 429, 500])
def test_a_status_that_is_no_yes_is_told_and_never_followed(receiver: HttpServer, status: int) -> None:
    receiver.answers.append(Answer(status, "no", {"location": receiver.url}))
    answer = post.post(receiver.url, b"", {}, 5)
    assert (answer.status, answer.taken, len(receiver.requests)) == (status, False, 1)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "http://", "nothing", "http://127.0.0.1:99999/", "http://[::1/"])
def test_what_is_no_url(url: str) -> None:
    answer = post.post(url, b"", {}, 5)
    assert answer.status is None and answer.text in ("Not an address.", "An address begins with https://.")


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    assert post.post(f"http://127.0.0.1:{port}/", b"", {}, 5).text == "no answer: ConnectionRefusedError"


def test_it_breaks_off(raw) -> None:
    port = raw(lambda guest: guest.recv(10))
    assert post.post(f"http://127.0.0.1:{port}/", b"x" * 100, {}, 5).status is None


def test_an_answer_that_trickles_ends_with_the_deadline(raw) -> None:
    """No single read of it times out: each byte comes in time."""
    over = threading.Event()

    def trickle(guest):
        guest.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
        while not over.wait(0.05):
            guest.sendall(b"x")

    port = raw(trickle)
    answer = post.post(f"http://127.0.0.1:{port}/", b"", {}, 0.4)
    over.set()
    assert (answer.status, answer.text) == (None, "no answer within 0.4 s")


def test_a_body_that_never_comes_takes_nothing_from_its_status(raw) -> None:
    over = threading.Event()

    def stall(guest):
        guest.recv(65536)
        guest.sendall(b"HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n")
        over.wait()

    port = raw(stall)
    answer = post.post(f"http://127.0.0.1:{port}/", b"", {}, 0.4)
    over.set()
    assert answer.taken


def test_an_answer_without_end_is_cut_short(raw) -> None:
    port = raw(told("y" * 1_000_000))
    assert len(post.post(f"http://127.0.0.1:{port}/", b"", {}, 5).text) <= post.ANSWER_BYTES


@pytest.fixture
def identity(tmp_path):
    """A certificate of our own, as (file, the server's wrapping)."""
    pem = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return pem, lambda guest: context.wrap_socket(guest, server_side=True)


def test_https_wants_a_certificate_that_somebody_trusts(raw, identity, monkeypatch) -> None:
    pem, wrap = identity
    port = raw(told(), wrap)
    answer = post.post(f"https://127.0.0.1:{port}/", b"", {}, 5)
    assert answer.text == "no answer: SSLCertVerificationError"
    monkeypatch.setattr(post, "tls_context", lambda: ssl.create_default_context(cafile=pem))
    port = raw(told(), wrap)
    assert post.post(f"https://127.0.0.1:{port}/", b"", {}, 5).status == 200


def test_a_handshake_that_never_ends_is_cut(raw) -> None:
    over = threading.Event()
    port = raw(lambda guest: over.wait())
    answer = post.post(f"https://127.0.0.1:{port}/", b"", {}, 0.3)
    over.set()
    assert (answer.status, answer.text) == (None, "no answer within 0.3 s")


class Item:
    def __init__(self, lane: int, name: str = "") -> None:
        self.lane, self.name = UUID(int=lane), name


def test_lanes_run_side_by_side_and_one_at_a_time_each() -> None:
    """The first lane's item waits for all of the second's: were it in front of them, nothing would ever end."""
    left = [Item(1, "slow"), *(Item(2, f"b{n}") for n in range(5)), Item(1, "last")]
    through, done, at_once = threading.Event(), [], []

    def claim(busy):
        found = next((item for item in left if item.lane not in busy), None)
        if found:
            left.remove(found)
        return found

    def send(item):
        if item.name == "slow":
            assert through.wait(30)
        return item.name

    def finish(item, answer):
        done.append(answer)
        at_once.append(threading.current_thread() is threading.main_thread())
        if answer == "b4":
            through.set()

    assert lanes.run(claim, send, finish, 4, 60) == 7
    assert done == ["b0", "b1", "b2", "b3", "b4", "slow", "last"]
    assert all(at_once)


def test_lanes_claim_nothing_once_the_budget_is_spent() -> None:
    assert lanes.run(lambda busy: pytest.fail("claimed"), str, lambda item, answer: None, 4, 0) == 0
