"""The ring: who gets a beat, who loses one, and that nothing ever falls out."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now

from fleet import policy, ring
from fleet.models import Server
from fleet.states import DESTROYED, DOWN, UNCERTAIN
from tests import factories
from tests.herd import again, beat, change, due, expire, nobodys

pytestmark = pytest.mark.django_db
HERE, THERE = "here/1", "there/2"


def server(ago_s: float = 1.0, **fields) -> Server:
    made = factories.server(**fields)
    due(made, ago_s)
    return again(made)


def claim(n: int = 10, queue: str = policy.FEEL, vantage: str = HERE) -> ring.Claim:
    return ring.claim("server", queue, n, vantage)


def test_what_is_due_is_claimed_oldest_first_and_no_more_than_asked() -> None:
    early, late, latest, _least = server(3), server(5), server(9), server(1)
    with connection.cursor() as cursor:
        # The index on the ring would give this order by chance.
        cursor.execute("SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off")
    assert set(claim(2).ids) == {late.pk, latest.pk}
    assert list(claim(1).ids) == [early.pk]


def test_what_is_not_due_or_not_of_the_queue_is_left() -> None:
    server(-10)
    server(queue=policy.SLOW)
    assert list(claim().ids) == []


def test_a_claim_carries_the_databases_time_and_a_lease_of_its_own() -> None:
    one, other = server(9), server(5)
    first, second = claim(1), claim(1)
    assert (first.ids, second.ids) == ([one.pk], [other.pk])
    assert first.lease != second.lease
    assert first.now <= second.now
    assert again(one).lease == first.lease
    assert again(one).leased_until > first.now


def test_the_lease_is_as_long_as_granted() -> None:
    """Both in one claim, so their leases differ by as much as their grants."""
    well, down = (factories.instance(state=state) for state in ("available", "down"))
    for one in (well, down):
        due(one)
    taken = ring.claim("instance", policy.FEEL, 2, HERE)
    longer = ring.granted("instance", "down") - ring.granted("instance", "available")
    assert longer > 0
    assert (again(down).leased_until - again(well).leased_until).total_seconds() == pytest.approx(
        longer, abs=longer / 2
    )
    assert again(well).leased_until > taken.now


def test_a_leased_row_is_nobody_elses_until_the_lease_runs_out() -> None:
    one = server()
    first = claim()
    assert list(claim(vantage=THERE).ids) == []
    expire(one)
    second = claim(vantage=THERE)
    assert list(second.ids) == [one.pk]
    assert second.lease != first.lease


def test_release_writes_the_beat_and_gives_the_row_back() -> None:
    one = server()
    taken = claim()
    left = beat(
        one, taken, 15.0, facts={"load1": "0.5", "ssh_why": None}, probed={"reach": 1.5}, evidence={"since": 2.0}
    )
    assert ring.release("server", [left], HERE) == {one.pk}
    row = again(one)
    assert (row.lease, row.leased_until, row.vantage) == (None, None, HERE)
    assert (row.facts, row.probed, row.evidence) == ({"load1": "0.5", "ssh_why": None}, {"reach": 1.5}, {"since": 2.0})
    assert (row.row, row.why, row.problem, row.tries) == (901, "Nothing to do", "", 0)
    assert row.due_at - row.felt_at == pytest.approx(timedelta(seconds=15), abs=timedelta(seconds=1))


def test_a_bad_look_is_felt_and_not_seen() -> None:
    one = server()
    ring.release("server", [beat(one, claim(), seen=True)], HERE)
    seen_at = again(one).seen_at
    assert seen_at == again(one).felt_at
    due(one)
    ring.release("server", [beat(one, claim(), seen=False)], HERE)
    assert again(one).seen_at == seen_at
    assert again(one).felt_at > seen_at


def test_many_are_released_at_once_each_with_its_own() -> None:
    many = [server() for _ in range(5)]
    taken = claim()
    beats = [beat(one, taken, n + 1.0, problem=f"no {n}", tries=n) for n, one in enumerate(many)]
    assert ring.release("server", beats, HERE) == {one.pk for one in many}
    assert [again(one).problem for one in many] == [f"no {n}" for n in range(5)]
    assert [again(one).tries for one in many] == list(range(5))


def test_a_late_result_is_dropped_and_leaves_the_row_as_it_is() -> None:
    one = server()
    late = claim()
    expire(one)
    ours = claim(vantage=THERE)
    before = again(one)
    assert ring.release("server", [beat(one, late, facts={"load1": "9"}, tries=7)], HERE) == set()
    assert again(one).__dict__ | {"_state": None} == before.__dict__ | {"_state": None}
    assert ring.release("server", [beat(one, ours)], THERE) == {one.pk}


def test_of_a_batch_only_what_is_still_ours_is_written() -> None:
    one, lost = server(), server()
    taken = claim()
    expire(lost)
    claim(vantage=THERE)
    assert ring.release("server", [beat(one, taken), beat(lost, taken)], HERE) == {one.pk}


def test_a_lease_that_ran_out_is_still_ours_while_nobody_took_it() -> None:
    one = server()
    taken = claim()
    change(one, leased_until=Now() - timedelta(seconds=1))
    assert ring.release("server", [beat(one, taken)], HERE) == {one.pk}


def test_a_nudge_during_a_beat_survives_its_release() -> None:
    one = server()
    taken = claim()
    ring.nudge("server", [one.pk])
    ring.release("server", [beat(one, taken, 60.0)], HERE)
    assert list(claim().ids) == [one.pk]


def test_a_nudge_before_the_beat_is_served_by_it() -> None:
    one = server(-30)
    ring.nudge("server", [one.pk])
    ring.release("server", [beat(one, claim(), 60.0)], HERE)
    assert list(claim().ids) == []


def test_who_has_left_the_ring_is_not_nudged_back() -> None:
    one = server(state=DESTROYED)
    ring.release("server", [beat(one, claim(), None)], HERE)
    assert again(one).due_at is None
    ring.nudge("server", [one.pk])
    assert again(one).due_at is None
    assert list(claim().ids) == []


def test_a_nudge_does_not_keep_the_ended_in_the_ring() -> None:
    one = server(state=DESTROYED)
    taken = claim()
    ring.nudge("server", [one.pk])
    ring.release("server", [beat(one, taken, None)], HERE)
    assert again(one).due_at is None


def test_hold_makes_a_lease_last_for_the_action() -> None:
    one = server()
    taken = claim()
    assert ring.hold(one, taken, 600.0)
    assert again(one).leased_until > taken.now + timedelta(seconds=500)


def test_hold_refuses_a_lease_that_is_lost_or_has_run_out() -> None:
    one = server()
    taken = claim()
    assert not ring.hold(one, nobodys(one), 600.0)
    change(one, leased_until=Now() - timedelta(seconds=1))
    assert not ring.hold(one, taken, 600.0)


def test_what_is_handed_back_is_due_as_before() -> None:
    one = server(7)
    taken = claim()
    due_at = again(one).due_at
    ring.hand_back("server", taken, taken.ids)
    assert again(one).due_at == due_at
    assert list(claim().ids) == [one.pk]


def test_only_ones_own_is_handed_back() -> None:
    one = server()
    taken = claim()
    ring.hand_back("server", nobodys(one), [one.pk])
    assert again(one).lease == taken.lease


@pytest.mark.parametrize("state", [UNCERTAIN, DOWN])
def test_a_suspect_is_left_to_other_eyes_for_a_moment(state: str) -> None:
    one = server(0.0, state=state, queue=policy.SUSPECT, vantage=HERE)
    assert list(claim(queue=policy.SUSPECT).ids) == []
    assert list(claim(queue=policy.SUSPECT, vantage=THERE).ids) == [one.pk]


def test_a_suspect_that_nobody_else_takes_is_ours_again() -> None:
    one = server(policy.SECOND_OPINION_S + 1, state=UNCERTAIN, queue=policy.SUSPECT, vantage=HERE)
    assert list(claim(queue=policy.SUSPECT).ids) == [one.pk]


def test_next_due_tells_how_long_there_is_nothing_to_do() -> None:
    assert ring.next_due(["server", "resource"], policy.FEEL) is None
    server(-36_000)
    assert 30_000 < (ring.next_due(["server", "resource"], policy.FEEL) or 0) <= 36_000
    assert ring.next_due(["resource"], policy.FEEL) is None
    one = server(5)
    assert (ring.next_due(["server"], policy.FEEL) or 0) <= -5
    change(one, leased_until=Now() + timedelta(hours=1))
    assert (ring.next_due(["server"], policy.FEEL) or 0) > 30_000


def test_standings_count_members_due_and_leased() -> None:
    server(5)
    server(9)
    server(-36_000, felt_at=Now() - timedelta(hours=2))
    claim(1)
    (at,) = ring.standings()
    assert (at.kind, at.queue, at.members, at.due, at.leased) == ("server", "feel", 3, 2, 1)
    assert 9 <= at.late_s < 7_200 <= at.age_s


@pytest.mark.parametrize("seed", range(6))
def test_nothing_falls_out_whatever_workers_do(seed: int) -> None:
    """Claims, releases, late releases, lost leases, nudges and deaths in any order: who is not at the end stays in."""
    chance = random.Random(seed)
    herd = [server(chance.uniform(-2, 2)) for _ in range(4)]
    open_claims: list[ring.Claim] = []
    ended: set = set()

    def take() -> None:
        open_claims.append(claim(chance.randint(1, 3), vantage=chance.choice([HERE, THERE])))

    def give_back() -> None:
        if open_claims:
            taken = open_claims.pop(chance.randrange(len(open_claims)))
            rows = [Server.objects.get(pk=pk) for pk in taken.ids]
            beats = [beat(row, taken, None if row.pk in ended else chance.uniform(0, 3)) for row in rows]
            ring.release("server", beats, HERE)

    def die() -> None:
        if open_claims:
            open_claims.pop()

    def pass_time() -> None:
        expire(chance.choice(herd))

    def nudge() -> None:
        ring.nudge("server", [chance.choice(herd).pk])

    def end_one() -> None:
        if chance.random() < 0.2:
            ended.add(chance.choice(herd).pk)

    for _step in range(80):
        chance.choice([take, take, give_back, give_back, die, pass_time, nudge, end_one])()
        left = set(Server.objects.filter(due_at__isnull=True).values_list("pk", flat=True))
        assert left <= ended
    expire()
    alive = {one.pk for one in herd} - set(Server.objects.filter(due_at__isnull=True).values_list("pk", flat=True))
    assert set(claim(10).ids) == alive


@pytest.mark.django_db(transaction=True)
def test_two_workers_never_get_the_same_beat() -> None:
    herd = {server().pk for _ in range(40)}
    start = threading.Barrier(4)

    def worker(number: int) -> list:
        try:
            start.wait()
            mine: list = []
            while ids := claim(3, vantage=f"here/{number}").ids:
                mine += ids
            return mine
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        shares = list(pool.map(worker, range(4)))
    taken = [pk for share in shares for pk in share]
    assert len(taken) == len(set(taken))
    assert set(taken) == herd


@pytest.mark.django_db(transaction=True)
def test_a_row_that_another_transaction_has_locked_is_passed_over_and_not_waited_for() -> None:
    locked, free = server(9), server(5)
    with transaction.atomic():
        Server.objects.select_for_update().get(pk=locked.pk)

        def worker() -> list:
            try:
                return list(claim().ids)
            finally:
                connection.close()

        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(worker).result(timeout=20) == [free.pk]
    assert list(claim().ids) == [locked.pk]
