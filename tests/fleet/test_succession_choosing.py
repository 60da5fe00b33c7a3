"""Who takes over: never one that may lack what was acknowledged, unless that is bounded and allowed, or accepted."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.succession.choosing import FIT, FIT_SERVER, Candidate, Choice, Leader, Limits, choose, loss_of
from fleet.succession.loss import NOTHING, Look

LEADER = Leader((Look(900, 9.0), Look(1000, 2.0)), 1, "z1", False)
SAFE = replace(LEADER, cant_lose=True)
LIMITS = Limits(max_bytes=100, max_s=10.0)
A = Candidate("a", "z2", "available", "available", True, True, 950, 940, 1)
B = replace(A, name="b", received_lsn=1000)


def mostly(good, *bad):
    """A strategy that is `good` often enough for five such fields to be good together."""
    return st.sampled_from((good,) * 12 * len(bad) + bad)


maybe = st.sampled_from((None, True, False))
positions = st.none() | st.integers(900, 1050)
candidates = st.builds(
    Candidate,
    name=st.sampled_from("abcde"),
    zone=st.sampled_from(("z1", "z2", "z3")),
    server_state=mostly("available", "uncertain", "retiring", "down", "destroyed"),
    state=mostly("available", "uncertain", "down", "creating", "fenced", "destroying"),
    reachable=mostly(True, False, None),
    in_recovery=mostly(True, False, None),
    received_lsn=positions,
    replayed_lsn=positions,
    timeline_id=mostly(1, 2, None),
    required=st.booleans(),
    can_drain=maybe,
    follower=st.booleans(),
)
herds = st.lists(candidates, min_size=1, max_size=5, unique_by=lambda one: one.name)
looks = st.lists(st.builds(Look, st.integers(900, 1050), st.floats(0, 15)), max_size=4)
leaders = st.builds(Leader, looks, mostly(1, None), st.sampled_from(("z1", "z2")), maybe)
accepted = st.none() | st.integers(0, 300) | st.just("unknown")


@given(leaders, herds, accepted, st.sampled_from(("", "a", "b")), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_whoever_is_chosen_may_be(leader, herd, accept, wanted, random) -> None:
    choice = choose(leader, herd, LIMITS, wanted, accept)
    assert set(choice.refusals) <= {one.name for one in herd} - {choice.name}
    assert all(choice.refusals.values()) and choice.why
    random.shuffle(herd)
    assert choose(leader, herd, LIMITS, wanted, accept) == choice
    if not choice.name:
        assert len(choice.refusals) == len(herd)
        return
    best = next(one for one in herd if one.name == choice.name)
    assert wanted in ("", best.name)
    assert best.reachable is True and best.in_recovery is True
    assert best.state in FIT and best.server_state in FIT_SERVER
    one_history = best.timeline_id == leader.timeline_id == 1
    assert choice.lossless == (leader.cant_lose is True and best.required and one_history)
    if choice.lossless:
        assert (choice.may_lose_bytes, choice.may_lose_s, choice.drain) == (0, 0.0, ())
    elif accept is None:
        assert one_history and leader.looks and best.has is not None
        assert leader.cant_lose is not True
        assert choice.may_lose_bytes == max(0, max(look.lsn for look in leader.looks) - best.has) <= LIMITS.max_bytes
        assert choice.may_lose_s is not None and choice.may_lose_s <= LIMITS.max_s
    elif accept != "unknown" and choice.may_lose_bytes is not None and choice.may_lose_bytes > LIMITS.max_bytes:
        assert choice.may_lose_bytes <= accept


@given(leaders, herds, accepted)
@settings(max_examples=50, deadline=None)
def test_a_member_that_vanishes_never_makes_another_one_fit(leader, herd, accept) -> None:
    choice = choose(leader, herd, LIMITS, "", accept)
    left = [one for one in herd if one.name != choice.name]
    assert choose(leader, left, LIMITS, "", accept).name in {"", *(one.name for one in left)} - set(choice.refusals)


@given(leaders, candidates, accepted.filter(lambda accept: accept != "unknown"))
@settings(max_examples=50, deadline=None)
def test_what_is_not_known_is_never_taken_for_fine(leader, candidate, accept) -> None:
    for name in ("reachable", "in_recovery", "timeline_id"):
        assert not choose(leader, [replace(candidate, **{name: None})], LIMITS, "", accept).name
    blind = replace(candidate, received_lsn=None, replayed_lsn=None)
    assert loss_of(leader, blind) is NOTHING or not choose(leader, [blind], LIMITS, "", accept).name
    assert loss_of(leader, candidate) is NOTHING or not choose(replace(leader, looks=()), [candidate], LIMITS).name


def test_without_the_record_the_most_advanced_one_takes_over_and_the_bound_says_what_it_rests_on() -> None:
    choice = choose(LEADER, [A, replace(B, zone="z1", follower=True)], LIMITS)
    assert (choice.name, choice.may_lose_bytes, choice.may_lose_s, choice.lost_from_lsn) == ("b", 0, 2.0, 1000)
    assert "the leader was seen at 0/3E8, last 2.0 s ago" in choice.why
    choice = choose(LEADER, [A], LIMITS)
    assert (choice.name, choice.may_lose_bytes, choice.may_lose_s, choice.lost_from_lsn) == ("a", 50, 9.0, 950)


def test_a_required_one_takes_over_although_another_has_more() -> None:
    choice = choose(SAFE, [replace(A, required=True), B], LIMITS)
    assert (choice.name, choice.lossless, choice.may_lose_bytes) == ("a", True, 0)
    assert "no commit waited for b: its promotion may lose up to 0 bytes of WAL (last 2.0 s)" in choice.refusals["b"]


def test_where_nothing_is_lost_another_zone_comes_first_then_one_that_no_customer_reads_then_the_furthest() -> None:
    near = replace(A, name="a", required=True, zone="z1", received_lsn=1000)
    read = replace(A, name="b", required=True, follower=True, received_lsn=990)
    slow = replace(A, name="c", required=True)
    fast = replace(A, name="d", required=True, received_lsn=960)
    for herd, best in (([near, read], "b"), ([near, read, slow], "c"), ([near, read, slow, fast], "d")):
        assert choose(SAFE, herd, LIMITS).name == best


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"server_state": "down"}, "the server of a is down"),
        ({"state": "fenced"}, "a is fenced"),
        ({"reachable": False}, "a does not answer"),
        ({"in_recovery": False}, "a accepts writes already"),
        (
            {"timeline_id": 2},
            "an amount that can't be bounded (a is on timeline 2: WAL since the fork from timeline 1",
        ),
        ({"received_lsn": 899, "replayed_lsn": None}, "promoting a may lose up to 101 bytes of WAL (of any age)"),
        ({"received_lsn": 800, "replayed_lsn": 900}, ""),
    ],
)
def test_a_refusal_says_why_and_what_would_be_lost(change, why) -> None:
    choice = choose(LEADER, [replace(A, **change)], LIMITS)
    assert choice.name == ("" if why else "a")
    assert why in choice.refusals.get("a", "")


def test_limits_hold_unless_a_person_accepts_more() -> None:
    tight = Limits(max_bytes=49, max_s=10.0)
    assert "and the plan allows 49 bytes of 10 s" in choose(LEADER, [A], tight).refusals["a"]
    assert not choose(LEADER, [A], tight, accept_loss=49).name
    assert choose(LEADER, [A], tight, accept_loss=50).name == "a"
    assert not choose(LEADER, [A], Limits(100, 8.9)).name
    parted = replace(A, timeline_id=2)
    assert not choose(LEADER, [parted], LIMITS, accept_loss=10**9).name
    choice = choose(LEADER, [parted], LIMITS, accept_loss="unknown")
    assert (choice.name, choice.may_lose_bytes) == ("a", None)


def test_the_one_that_was_asked_for_or_nobody() -> None:
    assert choose(LEADER, [A, B], LIMITS, wanted="a").name == "a"
    assert choose(LEADER, [A, B], LIMITS, wanted="a").refusals == {"b": "a was requested instead of b"}
    gone: Choice = choose(LEADER, [A, B], LIMITS, wanted="x")
    assert (gone.name, gone.why) == ("", "x is not a standby of this database")
    assert not choose(LEADER, [replace(A, reachable=False), B], LIMITS, wanted="a").name


def test_the_archive_is_drained_first_where_that_could_help() -> None:
    behind = replace(A, received_lsn=0, replayed_lsn=0, can_drain=True)
    assert choose(LEADER, [behind], LIMITS).drain == ("a",)
    assert choose(LEADER, [behind, B], LIMITS).drain == ("a",)
    assert choose(SAFE, [replace(behind, required=True)], LIMITS).drain == ()
