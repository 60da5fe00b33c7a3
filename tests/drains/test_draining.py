"""From the buffer to the drains: frames as receivers check them, the same at every attempt, and bounded."""

import ssl
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from cryptography.fernet import Fernet
from django.utils import timezone

from fleet.models import Resource
from observations.drains import buffer, frames, meters, round, sending, tokens
from observations.drains.models import Drain, Line
from tests import factories
from tests.certificates import certificate
from tests.contracts.receivers import Answer
from tests.drains.logplex import Logplex

pytestmark = pytest.mark.django_db
AT = datetime(2026, 11, 21, 12, 0, 0, 250_000, tzinfo=UTC)
TOKEN = "d.8f5b4b2c-0000-4000-8000-000000000001"


@pytest.fixture
def logplex():
    server = Logplex()
    yield server
    server.close()


class Watch:
    def __init__(self) -> None:
        self.now = timezone.now() + timedelta(minutes=1)

    def beat(self, later_s: float = 0.0) -> int:
        """One round, so many seconds later."""
        self.now += timedelta(seconds=later_s)
        return sending.send_due(60)


@pytest.fixture(autouse=True)
def watch(monkeypatch):
    """Time passes when the test says so."""
    stands = Watch()
    monkeypatch.setattr(sending, "clock", lambda: stands.now)
    return stands


@pytest.fixture
def resource() -> Resource:
    return factories.resource(instance=None)


def drain(resource: Resource, logplex: Logplex, **fields: Any) -> Drain:
    return Drain.objects.create(**{"resource": resource, "url": f"{logplex.url}/logs?a=1", "token": TOKEN} | fields)


def log_input(resource: Resource, logplex: Logplex, token: str = "t.old") -> Drain:
    tokens.put(resource, url_of(logplex, token))
    return Drain.objects.get(kind=Drain.INPUT)


def url_of(logplex: Logplex, token: str) -> str:
    return f"{logplex.url.replace('//', f'//token:{token}@')}/logs"


def waits(resource: Resource, *texts: str) -> None:
    for n, text in enumerate(texts):
        buffer.keep([meters.Reading(resource, AT + timedelta(seconds=n), text)])


def now(drain: Drain) -> Drain:
    return Drain.objects.get(pk=drain.pk)


def test_one_frame_to_the_byte() -> None:
    text = "<134>1 2026-11-21T12:00:00.250000+00:00 host app herdsite - name=ünï"
    assert frames.frame(AT, "name=ünï") == f"{len(text) + 2} {text}".encode()


def test_frames_lie_back_to_back() -> None:
    both = frames.body([(AT, "é"), (AT, "b")], "t.1")
    assert both == frames.frame(AT, "é", "t.1") + frames.frame(AT, "b", "t.1")
    assert b"\n" not in both


def test_a_batch_arrives_whole_and_is_forgotten(resource: Resource, logplex: Logplex, watch: Watch) -> None:
    to = drain(resource, logplex)
    waits(resource, "a=1", "name=ünïcödé", "c=3")
    assert watch.beat() == 1
    [got] = logplex.got
    assert (got.path, got.drain, got.app, got.authorization) == ("/logs?a=1", TOKEN, "app", "")
    assert got.lines == [(AT, "a=1"), (AT + timedelta(seconds=1), "name=ünïcödé"), (AT + timedelta(seconds=2), "c=3")]
    assert not Line.objects.exists()
    after = now(to)
    assert (after.sent, after.dropped, after.status, after.frame, after.problem) == (3, 0, 202, None, "")
    assert watch.beat(1000) == 0


def test_more_than_a_batch_goes_in_several_with_ids_of_their_own(
    resource: Resource, logplex: Logplex, watch: Watch, monkeypatch
) -> None:
    monkeypatch.setattr(sending, "BATCH", 2)
    drain(resource, logplex)
    waits(resource, "a", "b", "c", "d", "e")
    assert watch.beat() == 3
    assert [[text for _at, text in got.lines] for got in logplex.got] == [["a", "b"], ["c", "d"], ["e"]]
    assert len({got.frame for got in logplex.got}) == 3


@pytest.mark.parametrize("status", [500, 502, 503, 408, 429])
def test_a_retry_is_the_same_to_the_byte(resource: Resource, logplex: Logplex, watch: Watch, status: int) -> None:
    to = drain(resource, logplex)
    waits(resource, "a", "ü")
    logplex.answers.append(Answer(status))
    assert watch.beat() == 1
    waits(resource, "later")
    assert watch.beat(1.5) == 0
    assert watch.beat(2) == 2
    first, again, then = logplex.requests
    assert first == again
    assert logplex.got[2].frame != logplex.got[0].frame and logplex.got[2].lines[0][1] == "later"
    assert (now(to).sent, now(to).dropped) == (3, 0)


def test_one_that_hangs_keeps_its_frame_and_holds_up_no_other(
    resource: Resource, logplex: Logplex, watch: Watch, monkeypatch
) -> None:
    monkeypatch.setattr(sending, "TIMEOUT_S", 0.4)
    other = Logplex()
    to, fro = drain(resource, logplex), drain(resource, other)
    waits(resource, "a")
    logplex.answers.append(Answer(hang=True))
    assert watch.beat() == 2
    assert (now(fro).sent, now(to).sent, now(to).problem) == (1, 0, "no answer within 0.4 s")
    assert watch.beat(5) == 1
    assert logplex.requests[0] == logplex.requests[1] and now(to).sent == 1
    other.close()


def test_a_frame_is_given_up_in_the_end_and_counted(resource: Resource, logplex: Logplex, watch: Watch) -> None:
    to = drain(resource, logplex)
    waits(resource, "a", "b")
    logplex.answers.extend([Answer(500)] * sending.MOST_ATTEMPTS)
    for _ in range(sending.MOST_ATTEMPTS):
        assert watch.beat(400) == 1
    assert len({got.frame for got in logplex.got}) == 1
    assert (now(to).dropped, now(to).sent, Line.objects.count()) == (2, 0, 0)
    waits(resource, "c")
    assert watch.beat(400) == 1
    assert now(to).sent == 1


@pytest.mark.parametrize("status", [400, 401, 404, 410, 413])
def test_a_drain_that_says_no_loses_the_frame_and_nothing_more(
    resource: Resource, logplex: Logplex, watch: Watch, status: int
) -> None:
    to = drain(resource, logplex)
    waits(resource, "a")
    logplex.answers.append(Answer(status, "no such thing"))
    assert watch.beat() == 1
    assert (now(to).dropped, now(to).status, now(to).problem, now(to).rotated_at) == (1, status, str(status), None)
    waits(resource, "b")
    assert watch.beat(10) == 1
    assert (now(to).sent, now(to).problem) == (1, "")


def test_the_buffer_keeps_the_newest(resource: Resource, logplex: Logplex, watch: Watch, monkeypatch) -> None:
    monkeypatch.setattr(buffer, "ROOM", 3)
    to = drain(resource, logplex)
    waits(resource, "framed")
    logplex.answers.append(Answer(500))
    watch.beat()
    waits(resource, *"abcde")
    assert [line.text for line in Line.objects.filter(framed=False)] == ["c", "d", "e"]
    assert now(to).dropped == 2
    assert watch.beat(10) == 2
    assert [text for got in logplex.got[1:] for _at, text in got.lines] == ["framed", "c", "d", "e"]


def test_one_that_is_off_gets_nothing(resource: Resource, logplex: Logplex, watch: Watch) -> None:
    drain(resource, logplex, active=False)
    waits(resource, "a")
    assert not Line.objects.exists() and watch.beat() == 0


def test_lines_go_to_their_own_resources_drains(resource: Resource, logplex: Logplex, watch: Watch) -> None:
    drain(factories.resource(instance=None), logplex)
    waits(resource, "a")
    assert watch.beat() == 0


# A platform's own log.


def test_an_input_knows_us_by_its_token(resource: Resource, logplex: Logplex, watch: Watch) -> None:
    log_input(resource, logplex, "t.0a")
    waits(resource, "a")
    assert watch.beat() == 1
    [got] = logplex.got
    assert (got.path, got.app, got.drain) == ("/logs", "t.0a", "")
    assert got.authorization == "Basic dG9rZW46dC4wYQ=="


KNOWN: dict[UUID, str] = {}


def known(resource: UUID) -> str | None:
    """What is plugged in."""
    return KNOWN.get(resource)


def broken(resource: UUID) -> str | None:
    raise ValueError("of another app")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_token_that_was_rotated_is_asked_for_and_the_frame_waits_for_another(
    resource: Resource, logplex: Logplex, watch: Watch, settings, status: int
) -> None:
    to = log_input(resource, logplex)
    settings.LOG_INPUTS = f"{__name__}.known"
    KNOWN.clear()
    waits(resource, "a")
    logplex.answers.extend([Answer(status)] * 3)
    assert watch.beat() == 1
    since = watch.now
    assert (now(to).rotated_at, now(to).dropped, now(to).problem) == (since, 0, str(status))
    assert watch.beat(1) == 0
    assert watch.beat(10) == 1, "nothing is known: the old one is tried again, ever later"
    KNOWN[resource.pk] = url_of(logplex, "t.old")
    assert watch.beat(3) == 0
    assert watch.beat(10) == 1, "nothing new is known"
    assert now(to).rotated_at == since
    waits(resource, "b")
    KNOWN[resource.pk] = url_of(logplex, "t.new")
    assert watch.beat(20) == 2
    *old, again, then = logplex.got
    assert len(old) == 3 and {got.frame for got in (*old, again)} == {again.frame}
    assert again.lines == old[0].lines != then.lines
    assert [got.app for got in logplex.got] == ["t.old", "t.old", "t.old", "t.new", "t.new"]
    assert (now(to).rotated_at, now(to).sent, now(to).url) == (None, 2, url_of(logplex, "t.new"))


def test_a_refused_input_never_loses_its_frame(resource: Resource, logplex: Logplex, watch: Watch) -> None:
    to = log_input(resource, logplex)
    waits(resource, "a")
    logplex.answers.extend([Answer(401)] * (sending.MOST_ATTEMPTS + 2))
    for _ in range(sending.MOST_ATTEMPTS + 2):
        assert watch.beat(400) == 1
    assert watch.beat(400) == 1
    assert (now(to).sent, now(to).dropped) == (1, 0)


def test_what_is_plugged_in_may_be_broken(resource: Resource, logplex: Logplex, watch: Watch, settings) -> None:
    settings.LOG_INPUTS = f"{__name__}.broken"
    to = log_input(resource, logplex)
    waits(resource, "a")
    logplex.answers.append(Answer(401))
    assert [watch.beat(), watch.beat(10)] == [1, 1]
    assert now(to).sent == 1


def test_another_url_that_is_put_is_taken_at_once(resource: Resource, logplex: Logplex, watch: Watch) -> None:
    to = log_input(resource, logplex)
    waits(resource, "a")
    under_way = sending._claim(set())
    assert under_way
    tokens.put(resource, url_of(logplex, "t.new"))
    sending.finish(under_way, sending.Answer(401, ""))
    assert now(to).rotated_at is None
    assert watch.beat() == 1
    assert [got.app for got in logplex.got] == ["t.new"]
    assert Drain.objects.count() == 1


@pytest.mark.parametrize("status", [429, 408, 500])
def test_an_input_that_is_busy_keeps_its_token(resource: Resource, logplex: Logplex, watch: Watch, status: int) -> None:
    to = log_input(resource, logplex)
    waits(resource, "a")
    logplex.answers.append(Answer(status))
    watch.beat()
    assert now(to).rotated_at is None
    assert watch.beat(10) == 1 and now(to).sent == 1


def test_an_input_is_ended_by_an_empty_url(resource: Resource, logplex: Logplex, watch: Watch) -> None:
    tokens.put(resource, "")
    assert not Drain.objects.exists()
    to = log_input(resource, logplex)
    tokens.put(resource, "")
    waits(resource, "a")
    assert not now(to).active and watch.beat() == 0


# What goes wrong with us.


def test_a_lost_lease_changes_nothing(resource: Resource, logplex: Logplex, watch: Watch) -> None:
    to = drain(resource, logplex)
    waits(resource, "a")
    lost = sending._claim(set())
    assert lost and sending._claim(set()) is None
    assert watch.beat(sending.LEASE_S + 1) == 1
    sending.finish(lost, sending.Answer(500, ""))
    assert (now(to).sent, now(to).status) == (1, 202)


def test_a_worker_that_died_leaves_the_same_frame(resource: Resource, logplex: Logplex, watch: Watch) -> None:
    drain(resource, logplex)
    waits(resource, "a")
    lost = sending._claim(set())
    assert lost
    sending.send(lost)
    waits(resource, "b")
    watch.beat(sending.LEASE_S + 1)
    assert logplex.requests[0] == logplex.requests[1]


def test_a_url_that_cant_be_read_is_said(resource: Resource, logplex: Logplex, watch: Watch, settings) -> None:
    to = drain(resource, logplex)
    waits(resource, "a")
    settings.FERNET_KEYS = [Fernet.generate_key().decode()]
    assert watch.beat() == 1
    assert "can't be decrypted" in Drain.objects.filter(pk=to.pk).values_list("problem", flat=True)[0]


def test_nothing_of_a_url_or_a_token_is_shown(resource: Resource, logplex: Logplex, watch: Watch, capsys) -> None:
    to = log_input(resource, logplex, "t.s3cret")
    waits(resource, "a")
    logplex.answers.append(Answer(500, "t.s3cret"))
    watch.beat()
    assert "s3cret" not in now(to).problem + str(to) + to.place + capsys.readouterr().out


def test_over_tls(resource: Resource, watch: Watch, monkeypatch, tmp_path) -> None:
    """The same over HTTPS, by a certificate that is trusted."""
    pem = certificate(tmp_path)
    logplex = Logplex()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    logplex.socket = context.wrap_socket(logplex.socket, server_side=True)
    monkeypatch.setattr("fleet.transports.post.tls_context", lambda: ssl.create_default_context(cafile=pem))
    drain(resource, logplex, url=f"{logplex.url.replace('http:', 'https:')}/logs")
    waits(resource, "ü=1")
    assert watch.beat() == 1
    assert logplex.got[0].lines == [(AT, "ü=1")]
    logplex.close()


def test_the_round_writes_and_sends(resource: Resource, logplex: Logplex, capsys) -> None:
    Resource.objects.update(felt_at=timezone.now(), facts={"tables": "4"})
    drain(resource, logplex)
    assert round.go() == (0, 0)
    meters.Meter.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert round.go()[1] == 0
    told = capsys.readouterr().out
    assert f"addon={resource.name} sample#tables=4" in told


def test_a_bug_in_here_ends_no_turn(monkeypatch) -> None:
    monkeypatch.setattr(meters, "enrol", lambda: 1 / 0)
    assert round.go() == (0, 1)
