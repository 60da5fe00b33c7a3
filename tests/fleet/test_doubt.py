"""Evidence: what ends a doubt, what adds to it, and that silence of ours is no evidence."""

import json

import pytest

from fleet import doubt

KINDS = [("server", "ssh"), ("instance", "service_available"), ("resource", "service_available")]
HERE, THERE = "here/1", "there/2"


@pytest.mark.parametrize(("kind", "proof"), KINDS)
def test_a_doubt_begins_with_the_first_bad_look_and_ends_with_a_good_one(kind: str, proof: str) -> None:
    evidence = doubt.weigh(kind, {}, {proof: False}, HERE, 100.0)
    evidence = doubt.weigh(kind, evidence, {proof: False}, HERE, 107.5)
    assert evidence["since"] == 100.0
    assert doubt.facts(evidence, 107.5)["doubt_s"] == 7.5
    assert doubt.weigh(kind, evidence, {proof: True}, THERE, 108.0) == {}


def test_a_well_thing_has_no_doubt() -> None:
    assert doubt.facts({}, 100.0) == {"doubt_s": 0.0, "sql_vantages": 0, "ssh_vantages": 0}


def test_each_vantage_counts_once_on_each_wire() -> None:
    evidence: doubt.Evidence = {}
    for vantage, at in ((HERE, 1.0), (HERE, 2.0), (THERE, 3.0)):
        evidence = doubt.weigh("instance", evidence, {"service_available": False}, vantage, at)
    evidence = doubt.weigh("instance", evidence, {"service_available": False, "ssh": False}, HERE, 4.0)
    known = doubt.facts(evidence, 4.0)
    assert (known["sql_vantages"], known["ssh_vantages"]) == (2, 1)
    assert evidence["sql"][HERE]["at"] == 4.0


def test_the_reason_is_kept_with_the_vantage_and_cut_short() -> None:
    look = {"service_available": False, "service_why": "connection refused " * 40}
    evidence = doubt.weigh("instance", {}, look, HERE, 1.0)
    assert evidence["sql"][HERE]["why"].startswith("connection refused")
    assert len(evidence["sql"][HERE]["why"]) == 200


def test_what_nobody_could_look_at_adds_nothing() -> None:
    assert doubt.weigh("instance", {}, {"service_available": None, "ssh": None}, HERE, 1.0) == {}
    before = doubt.weigh("instance", {}, {"service_available": False}, HERE, 1.0)
    assert doubt.weigh("instance", before, {"service_available": None}, THERE, 2.0) == before


def test_a_host_that_answers_clears_its_own_wire_and_not_the_others() -> None:
    evidence = doubt.weigh("instance", {}, {"service_available": False, "ssh": False}, HERE, 1.0)
    evidence = doubt.weigh("instance", evidence, {"service_available": False, "ssh": True}, THERE, 2.0)
    known = doubt.facts(evidence, 2.0)
    assert (known["sql_vantages"], known["ssh_vantages"], known["doubt_s"]) == (2, 0, 1.0)


def test_a_host_that_is_silent_alone_begins_no_doubt_of_its_instance() -> None:
    evidence = doubt.weigh("instance", {}, {"service_available": None, "ssh": False}, HERE, 1.0)
    assert "since" not in evidence
    assert doubt.facts(evidence, 60.0)["doubt_s"] == 0.0


def test_weighing_leaves_the_evidence_it_was_given_as_it_was() -> None:
    before = doubt.weigh("instance", {}, {"service_available": False}, HERE, 1.0)
    frozen = json.dumps(before)
    doubt.weigh("instance", before, {"service_available": False, "ssh": False}, THERE, 2.0)
    assert json.dumps(before) == frozen


def test_evidence_of_a_long_death_does_not_grow_for_ever() -> None:
    evidence: doubt.Evidence = {}
    for turn in range(500):
        evidence = doubt.weigh("server", evidence, {"ssh": False}, f"here/{turn}", float(turn))
    assert set(evidence["ssh"]) == {f"here/{turn}" for turn in range(500 - doubt.REMEMBERED, 500)}
    assert evidence["since"] == 0.0


def test_a_clock_that_went_back_makes_no_negative_doubt() -> None:
    assert doubt.facts({"since": 100.0}, 99.0)["doubt_s"] == 0.0


def test_time_in_which_nobody_listened_is_no_doubt() -> None:
    evidence = doubt.weigh("instance", {}, {"service_available": False}, HERE, 100.0, heard_s=2.0)
    evidence = doubt.weigh("instance", evidence, {"service_available": False}, THERE, 101.0, heard_s=2.0)
    assert doubt.facts(evidence, 101.0)["doubt_s"] == 1.0
    evidence = doubt.weigh("instance", evidence, {"service_available": False}, HERE, 161.0, heard_s=2.0)
    assert doubt.facts(evidence, 161.0)["doubt_s"] == 3.0


def test_a_silence_that_was_only_heard_of_counts_from_its_beginning() -> None:
    evidence = doubt.weigh("instance", {"since": 99.5}, {"service_available": False}, HERE, 100.0, heard_s=2.0)
    assert doubt.facts(evidence, 100.0)["doubt_s"] == 0.5


def test_a_doubt_never_begins_in_the_future() -> None:
    evidence = doubt.weigh("instance", {"since": 10.0}, {"service_available": False}, HERE, 500.0, heard_s=2.0)
    assert doubt.facts(evidence, 500.0)["doubt_s"] == 2.0
    evidence = doubt.weigh("instance", evidence, {"service_available": False}, HERE, 400.0, heard_s=2.0)
    assert doubt.facts(evidence, 400.0)["doubt_s"] == 0.0


def test_where_workers_look_from_several_places_the_places_count() -> None:
    """The processes of one host share its network: what that loses looks down to all of them."""
    evidence: doubt.Evidence = {}
    for vantage in ("here/1", "here/2", "here/3"):
        evidence = doubt.weigh("instance", evidence, {"service_available": False, "ssh": False}, vantage, 100.0)
    assert doubt.facts(evidence, 101.0, places=1)["sql_vantages"] == 3
    several = doubt.facts(evidence, 101.0, places=2)
    assert (several["sql_vantages"], several["ssh_vantages"]) == (1, 1)
    evidence = doubt.weigh("instance", evidence, {"service_available": False, "ssh": False}, "there/1", 101.0)
    assert doubt.facts(evidence, 102.0, places=2)["sql_vantages"] == 2
