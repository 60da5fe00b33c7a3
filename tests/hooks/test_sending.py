"""From the outbox to the receivers: signed, in order, again until taken, and nobody in another's way."""

import hashlib
import hmac
import json
from base64 import b64decode, b64encode
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.fernet import Fernet
from django.db.models import Q
from django.utils import timezone

from fleet.models import Event
from incidents.hooks import fanout, round, sending
from incidents.hooks.models import Attempt, Delivery, Endpoint
from tests.contracts.receivers import Answer, HttpServer

pytestmark = pytest.mark.django_db
A, B = UUID(int=1), UUID(int=2)


@pytest.fixture(autouse=True)
def watch(monkeypatch):
    """Time passes when the test says so."""
    stands = Watch()
    monkeypatch.setattr(sending, "clock", lambda: stands.now)
    return stands


class Watch:
    def __init__(self) -> None:
        self.now = timezone.now() + timedelta(minutes=1)

    def beat(self, later_s: float = 0.0) -> int:
        """One round, so many seconds later."""
        self.now += timedelta(seconds=later_s)
        return sending.send_due(60)


def endpoint(receiver: Any, **fields: Any) -> Endpoint:
    url = receiver if isinstance(receiver, str) else f"{receiver.url}/in"
    return Endpoint.objects.create(**{"name": f"hook-{Endpoint.objects.count()}", "url": url} | fields)


def queued(to: Endpoint, subject: UUID = A, verb: str = "go_down") -> Delivery:
    happened = Event.objects.create(kind="resource", subject=subject, name="x", verb=verb, why="", actor="a")
    return Delivery.objects.create(endpoint=to, event=happened, subject=subject)


def verbs(receiver: HttpServer) -> list[str]:
    return [json.loads(body)["data"]["verb"] for _path, _headers, body in receiver.requests]


def now(delivery: Delivery) -> Delivery:
    return Delivery.objects.get(pk=delivery.pk)


def test_a_delivery_is_signed_and_named(receiver: HttpServer, watch: Watch) -> None:
    to = endpoint(receiver)
    delivery = queued(to)
    receiver.answers.append(Answer(204, "fine"))
    assert watch.beat() == 1
    [(path, headers, body)] = receiver.requests
    assert path == "/in" and headers["content-type"] == "application/json"
    assert headers["webhook-id"] == str(delivery.pk)
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = b64decode(to.secret.removeprefix("whsec_"))
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{b64encode(digest).decode()}"
    done = now(delivery)
    assert (done.state, done.status, done.attempts, done.sent_at) == (Delivery.SENT, 204, 1, watch.now)
    assert [(line.status, line.took_ms > 0) for line in Attempt.objects.all()] == [(204, True)]
    assert watch.beat(1000) == 0


def test_it_is_tried_again_ever_later_under_the_same_id_with_the_same_body(receiver: HttpServer, watch: Watch) -> None:
    delivery = queued(endpoint(receiver))
    receiver.answers.extend([Answer(500, "broken"), Answer(404, "not yet"), Answer(503), Answer(200)])
    waits = []
    while now(delivery).state == Delivery.QUEUED:
        assert watch.beat() == 1
        assert watch.beat() == 0, "not before its time"
        waits.append((now(delivery).next_at - watch.now).total_seconds())
        watch.now = max(watch.now, now(delivery).next_at)
    assert 2 <= waits[0] < 3 and 4 <= waits[1] < 6 and 8 <= waits[2] < 12
    assert len({(headers["webhook-id"], body) for _path, headers, body in receiver.requests}) == 1
    log = [(line.status, line.answer) for line in Attempt.objects.order_by("id")]
    assert log[:3] == [(500, "broken"), (404, "not yet"), (503, "")] and log[3][0] == 200
    assert now(delivery).attempts == 4


def test_what_fails_holds_up_its_own_subject_and_endpoint_only(receiver: HttpServer, others: Any, watch: Watch) -> None:
    other = others()
    to, fro = endpoint(receiver), endpoint(other)
    first, _second, third = queued(to, A, "one"), queued(to, A, "two"), queued(to, B, "three")
    queued(fro, A, "four")
    receiver.answers.append(Answer(500))
    assert watch.beat() == 3
    assert verbs(receiver) == ["one", "three"] and verbs(other) == ["four"]
    assert (now(first).state, now(third).state) == (Delivery.QUEUED, Delivery.SENT)
    assert watch.beat(1) == 0
    assert watch.beat(10) == 2
    assert verbs(receiver)[2:] == ["one", "two"]


def test_what_is_given_up_is_shown_and_lets_the_next_one_go(receiver: HttpServer, watch: Watch, settings) -> None:
    settings.HOOKS_GIVE_UP_H = 1
    to = endpoint(receiver)
    first, second = queued(to, A, "one"), queued(to, A, "two")
    receiver.answers.append(Answer(500, "broken for good"))
    watch.beat(3600)
    assert (now(first).state, now(first).status, now(first).answer) == (Delivery.FAILED, 500, "broken for good")
    assert now(second).state == Delivery.SENT


def test_what_failed_or_arrived_is_sent_again_under_its_id(receiver: HttpServer, watch: Watch, settings) -> None:
    to = endpoint(receiver)
    failed, arrived, waits = queued(to, A), queued(to, B), queued(to, uuid4())
    Delivery.objects.filter(pk=failed.pk).update(state=Delivery.FAILED, attempts=9, queued_at="2026-01-01T00:00Z")
    Delivery.objects.filter(pk=arrived.pk).update(state=Delivery.SENT)
    Delivery.objects.filter(pk=waits.pk).update(next_at=watch.now + timedelta(days=1))
    assert sending.again(Q(endpoint=to)) == 2
    receiver.answers.append(Answer(500))
    assert watch.beat() == 2
    assert {headers["webhook-id"] for _path, headers, _body in receiver.requests} == {str(failed.pk), str(arrived.pk)}
    states = {now(failed).state, now(arrived).state}
    assert states == {Delivery.QUEUED, Delivery.SENT}, "its time to be given up counts from anew"


def test_an_endpoint_that_hangs_holds_up_no_other_and_is_left_alone(
    receiver: HttpServer, others: Any, watch: Watch, monkeypatch
) -> None:
    monkeypatch.setattr(sending, "TIMEOUT_S", 0.4)
    healthy = others()
    to, fro = endpoint(receiver), endpoint(healthy)
    receiver.answers.extend([Answer(hang=True)] * 2)
    for n in range(3):
        queued(to, UUID(int=n + 1))
    for n in range(12):
        queued(fro, UUID(int=n + 1))
    assert watch.beat() == 13
    assert len(healthy.requests) == 12 and len(receiver.requests) == 1
    silent = Endpoint.objects.get(pk=to.pk)
    assert (silent.silences, silent.problem, silent.active) == (1, "no answer within 0.4 s", True)
    assert watch.beat(1.5) == 0, "none of what waits for it, however due"
    assert watch.beat(1) == 1
    assert Endpoint.objects.get(pk=to.pk).silences == 2
    assert watch.beat(3.5) == 0
    assert watch.beat(1) == 3
    well = Endpoint.objects.get(pk=to.pk)
    assert (well.silences, well.quiet_until, well.problem) == (0, None, "")
    assert not Delivery.objects.filter(state=Delivery.QUEUED).exists()


def test_silence_is_believed_for_minutes_at_most(receiver: HttpServer, watch: Watch) -> None:
    to = endpoint("http://127.0.0.1:1/", silences=sending.MANY)
    queued(to)
    assert watch.beat() == 1
    again = Endpoint.objects.get(pk=to.pk)
    assert again.silences == sending.MANY
    assert (again.quiet_until - watch.now).total_seconds() == sending.MOST_QUIET_S


def test_one_that_wants_less_gets_nothing_for_as_long_as_it_says(receiver: HttpServer, watch: Watch) -> None:
    to = endpoint(receiver)
    queued(to, A), queued(to, B)
    receiver.answers.append(Answer(429, "slower", {"retry-after": "90"}))
    assert watch.beat() == 1
    assert watch.beat(89) == 0
    assert watch.beat(2) == 2


def test_one_that_is_gone_is_switched_off(receiver: HttpServer, watch: Watch) -> None:
    to = endpoint(receiver)
    first, second = queued(to, A), queued(to, B)
    receiver.answers.append(Answer(410))
    assert watch.beat() == 1
    off = Endpoint.objects.get(pk=to.pk)
    assert not off.active and "410" in off.problem
    assert {now(first).state, now(second).state} == {Delivery.FAILED, Delivery.QUEUED}
    assert watch.beat(1000) == 0
    Endpoint.objects.update(active=True)
    assert watch.beat() == 1


def test_a_lost_lease_is_sent_again_and_its_late_result_changes_nothing(receiver: HttpServer, watch: Watch) -> None:
    delivery = queued(endpoint(receiver))
    lost = sending._claim(set())
    assert lost and lost.delivery == delivery
    assert watch.beat(1) == 0
    receiver.answers.append(Answer(500))
    assert watch.beat(sending.LEASE_S) == 1
    before = now(delivery)
    sending.finish(lost, sending.Answer(503, "late"))
    after = now(delivery)
    assert (after.status, after.next_at, after.state) == (500, before.next_at, Delivery.QUEUED)
    sending.finish(lost, sending.Answer(200, "late, and taken"))
    assert now(delivery).state == Delivery.SENT
    assert Attempt.objects.count() == 3


def test_two_workers_never_send_the_same(receiver: HttpServer, watch: Watch) -> None:
    to = endpoint(receiver)
    queued(to, A, "one"), queued(to, A, "two"), queued(to, B)
    first, second = sending._claim(set()), sending._claim(set())
    assert first and second and {first.delivery.subject, second.delivery.subject} == {A, B}
    assert sending._claim(set()) is None


def test_a_secret_that_cant_be_read_or_is_none(receiver: HttpServer, watch: Watch, settings) -> None:
    broken, odd = queued(endpoint(receiver)), queued(endpoint(receiver, secret="whsec_?"))
    settings.FERNET_KEYS = [Fernet.generate_key().decode()]
    Endpoint.objects.filter(pk=odd.endpoint_id).update(secret="whsec_?")
    assert watch.beat() == 2
    assert receiver.requests == []
    assert "can't be decrypted" in now(broken).answer and "base64" in now(odd).answer


def test_no_answer_shows_the_secret_or_the_url(receiver: HttpServer, watch: Watch) -> None:
    to = endpoint(f"{receiver.url}/s3cret-path", secret="s3cret-key")
    delivery = queued(to)
    receiver.answers.append(Answer(400, f"you sent {receiver.url}/s3cret-path with s3cret-key"))
    watch.beat()
    shown = [now(delivery).answer, Attempt.objects.get().answer, Endpoint.objects.get(pk=to.pk).problem]
    assert all("s3cret" not in text and "you sent" in text for text in shown)


def test_a_proof_goes_out_beside_everything_else(receiver: HttpServer, watch: Watch) -> None:
    to = endpoint(receiver)
    queued(to)
    sending.prove(to)
    receiver.answers.append(Answer(500))
    assert watch.beat() == 2
    assert sorted(json.loads(body)["type"] for *_, body in receiver.requests) == ["herdsite.test", "resource.go_down"]


def test_a_bug_in_here_ends_no_turn(monkeypatch) -> None:
    monkeypatch.setattr(fanout, "fan_out", lambda: 1 / 0)
    assert round.go() == (0, 1)


@pytest.mark.django_db(transaction=True)
def test_the_round_does_both(receiver: HttpServer) -> None:
    to = endpoint(receiver)
    assert round.go() == (0, 0)
    Event.objects.create(
        kind="resource", subject=A, name="x", verb="go_down", why="", actor="a", source="available", target="down"
    )
    assert round.go() == (1, 0)
    assert verbs(receiver) == ["go_down"]
    assert Delivery.objects.get(endpoint=to).attempts == 1
