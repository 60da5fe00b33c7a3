"""Positions, bounds, proofs and receipts: what is known is counted, what is not known proves nothing."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.succession import lsn
from fleet.succession.claim import Claim
from fleet.succession.ladder import RUNGS, Acceptance, Evidence, Proof, Unproven, prove
from fleet.succession.ladder import SYNCHRONOUS as SYNCHRONOUS_RUNG
from fleet.succession.loss import Look, bound, recalled, remembered
from fleet.succession.quorum import CANT_LOSE, MAY_LOSE, Record
from fleet.succession.receipt import Discarded, build, discarded, settle

BLANK = Evidence("x-1", "x-2", generation=3, fencing_s=5.0)
STOPPED = replace(BLANK, postmaster=False, fence=3, host_age_s=1.0)
MACHINE = replace(BLANK, machine="stopped", machine_age_s=1.0)
SYNCHRONOUS = replace(BLANK, record=Record(("x-2", "x-3"), CANT_LOSE, 7))
PERSON = replace(BLANK, accepted=Acceptance("ada", "the zone burnt down", 100), may_lose_bytes=100)
maybe = st.sampled_from((None, True, False))
counts = st.integers(0, 99)
ages = st.none() | st.floats(-1, 10)
evidence = st.builds(
    Evidence,
    leader=st.just("x-1"),
    promoted=st.sampled_from(("", "x-2", "x-3")),
    generation=st.just(3),
    fencing_s=st.just(5.0),
    postmaster=maybe,
    fence=st.none() | st.integers(1, 5),
    host_age_s=ages,
    machine=st.sampled_from((None, "", "pending", "running", "stopped", "paused", "absent")),
    machine_age_s=ages,
    record=st.none() | st.builds(Record, st.sampled_from(((), ("x-2",))), st.sampled_from((MAY_LOSE, CANT_LOSE))),
    may_lose_bytes=st.none() | st.integers(0, 200),
    accepted=st.none()
    | st.builds(
        Acceptance, st.sampled_from(("", "ada")), st.sampled_from((" ", "why")), st.sampled_from((None, 100, "unknown"))
    ),
)


@given(st.integers(0, 2**64 - 1))
def test_a_position_reads_as_it_was_written(position: int) -> None:
    assert lsn.parse(lsn.text(position)) == position
    assert lsn.parse(lsn.text(position).lower()) == position


def test_positions_as_postgresql_writes_them() -> None:
    assert lsn.parse("0/3000148") == 0x3000148
    assert lsn.text(0x16_B374_D848) == "16/B374D848"
    assert (lsn.ahead(5, 3), lsn.ahead(3, 5), lsn.ahead(None, 3), lsn.ahead(3, None)) == (2, 0, None, None)


@pytest.mark.parametrize("text", ["", "0", "0/", "/0", "0/G", "0/123456789", "-1/0", "0/0 ", " 0/0", "0/0\n"])
def test_what_is_no_position_is_not_known(text: str) -> None:
    assert lsn.known(text) is None
    with pytest.raises(ValueError, match="no position"):
        lsn.parse(text)


@given(
    st.lists(st.builds(Look, st.integers(0, 99), st.floats(0, 99)), min_size=1), st.integers(0, 99), st.integers(0, 99)
)
def test_having_more_never_loses_more(looks, one, other) -> None:
    less, more = bound(looks, min(one, other)), bound(looks, max(one, other))
    assert less.bytes is not None and more.bytes is not None and less.bytes >= more.bytes
    assert less.seconds is None or (more.seconds is not None and less.seconds >= more.seconds)


def test_a_bound_is_as_old_as_the_last_look_that_the_member_had_come_to() -> None:
    looks = (Look(100, 30.0), Look(200, 20.0), Look(300, 10.0))
    assert (bound(looks, 250).bytes, bound(looks, 250).seconds) == (50, 20.0)
    assert (bound(looks, 300).bytes, bound(looks, 300).seconds) == (0, 10.0)
    assert (bound(looks, 50).bytes, bound(looks, 50).seconds) == (250, None)
    for loss in (bound((), 250), bound(looks, None)):
        assert (loss.bytes, loss.seconds) == (None, None)


@given(evidence)
def test_the_first_rung_that_holds_and_no_rung_on_anything_unknown(e: Evidence) -> None:
    signed = e.accepted is not None and (e.accepted.by, e.accepted.reason) == ("ada", "why")
    enough = e.may_lose_bytes is not None and e.may_lose_bytes <= 100
    rungs = {
        1: e.postmaster is False and (e.fence or 0) >= 3 and e.host_age_s is not None and 0 <= e.host_age_s <= 5,
        2: e.machine in ("stopped", "absent") and e.machine_age_s is not None and 0 <= e.machine_age_s <= 5,
        3: e.record is not None and e.record.says == CANT_LOSE and e.promoted in e.record.required,
        4: signed and (e.accepted.loss == "unknown" or (e.accepted.loss == 100 and enough)),
    }
    proof = prove(e)
    if isinstance(proof, Proof):
        assert proof.rung == min(number for number, holds in rungs.items() if holds)
        assert "x-1" in proof.text or "ada" in proof.text
    else:
        assert not any(rungs.values())
        assert len(proof.missing) == 4 and all(proof.missing)


@pytest.mark.parametrize(("given_", "rung"), [(STOPPED, 1), (MACHINE, 2), (SYNCHRONOUS, 3), (PERSON, 4)])
def test_each_rung_says_what_it_stands_on(given_: Evidence, rung: int) -> None:
    proof = prove(given_)
    assert isinstance(proof, Proof) and proof.rung == rung
    assert proof.facts and "None" not in proof.facts.values()


@pytest.mark.parametrize(
    ("given_", "missing"),
    [
        (BLANK, "the host of x-1 was not reached since the fencing began"),
        (replace(STOPPED, host_age_s=5.1), "the host of x-1 was not reached since the fencing began"),
        (replace(STOPPED, fence=2), "no fence on the host of x-1 keeps PostgreSQL from starting"),
        (replace(STOPPED, postmaster=None), "a postmaster may run on the host of x-1"),
        (replace(MACHINE, machine="paused"), "the provider says of the machine of x-1: paused"),
        (replace(SYNCHRONOUS, promoted="x-4"), "x-1 waits for x-2, x-3 and not for x-4"),
        (
            replace(SYNCHRONOUS, record=Record(("x-2",), MAY_LOSE)),
            "no record proves that x-1 waits for a synchronous standby",
        ),
        (replace(PERSON, may_lose_bytes=101), "ada accepted to lose 100 bytes, and 101 bytes may be lost"),
        (replace(PERSON, may_lose_bytes=None), "ada accepted to lose 100 bytes, and an unknown amount may be lost"),
    ],
)
def test_what_is_missing_is_told(given_: Evidence, missing: str) -> None:
    proof = prove(given_)
    assert isinstance(proof, Unproven) and missing in proof.missing


def test_a_receipt_says_what_was_known_and_later_what_it_cost() -> None:
    proof = prove(MACHINE)
    assert isinstance(proof, Proof)
    looks = (Look(0x3000000, 30.0), Look(0x3000148, 4.0))
    receipt = build("x-1", "x-2", looks, "000000010000000000000002", 0x3000100, False, proof)
    assert (receipt.last_seen_lsn, receipt.last_seen_s, receipt.promoted_lsn) == ("0/3000148", 4.0, "0/3000100")
    assert (receipt.bound_bytes, receipt.bound_s, receipt.rung) == (0x48, 30.0, 2)
    assert receipt.discarded is None
    assert settle(receipt, 0x3000140).discarded == Discarded("0/3000100", "0/3000140", 0x40)


def test_a_receipt_bounds_nothing_by_what_nobody_knows() -> None:
    proof = prove(SYNCHRONOUS)
    assert isinstance(proof, Proof)
    blind = build("x-1", "x-2", (), "", None, False, proof)
    assert (blind.last_seen_lsn, blind.last_seen_s, blind.promoted_lsn) == ("", None, "")
    assert (blind.bound_bytes, blind.bound_s) == (None, None)
    assert settle(blind, 5).discarded is None
    safe = build("x-1", "x-2", (Look(9, 1.0),), "", 5, True, proof)
    assert (safe.bound_bytes, safe.bound_s) == (0, 0.0)


@given(st.none() | counts, st.none() | counts)
def test_what_was_discarded(end: int | None, fork: int | None) -> None:
    lost = discarded(end, fork)
    if end is None or fork is None:
        assert lost is None
    else:
        assert lost is not None and lost.bytes == max(0, end - fork)


def test_the_last_look_that_saw_something_is_kept() -> None:
    first = remembered(None, "0/3000148", None, 1000.0)
    assert recalled(first) == (0x3000148, 1000.0, "")
    second = remembered(first, "0/3000200", "000000010000000000000002", 1001.5)
    assert recalled(remembered(second, None, None, 1002.0)) == (0x3000200, 1001.5, "000000010000000000000002")
    assert recalled(remembered(second, "0/3000300", None, 1002.0)) == (0x3000300, 1002.0, "000000010000000000000002")
    assert recalled(remembered(None, None, None, 1000.0)) == (None, 0.0, "")


def test_a_claim_says_no_more_than_what_was_looked_at() -> None:
    claim = Claim("{n} tables are empty", ("n",), "somebody fills them")
    assert claim.told({"n": 3}) == "3 tables are empty, unless somebody fills them"
    for unknown in ({}, {"n": None}):
        with pytest.raises(ValueError, match="n not known"):
            claim.told(unknown)


@pytest.mark.parametrize("proven", [STOPPED, MACHINE, SYNCHRONOUS, PERSON])
def test_what_a_proof_tells_rests_on_facts_that_it_names(proven: Evidence) -> None:
    proof = prove(proven)
    assert isinstance(proof, Proof)
    rung = next(one for one in RUNGS if one.number == proof.rung)
    assert set(rung.claim.rests_on) <= set(proof.facts)
    assert rung.claim.unless in proof.text
    assert bool(rung.claim.unless) is (proof.rung == SYNCHRONOUS_RUNG), "the one that leaves the old leader running"
