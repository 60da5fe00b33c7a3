"""The LIFE tables as a whole: ignorance moves nothing, nothing is a dead end, and whatever is felt has an answer."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.facts import BOOL, FACTS, FLOAT, INT, Facts, read
from fleet.rules import GO, WAIT, think
from fleet.states import AVAILABLE, CHANGING_OVER, DESTROYED, DESTROYING, ENDS, FENCED, RETIRING, move, states_of
from fleet.think import LIFE
from tests.worlds import NOW, World

STATES = [(kind, state) for kind in LIFE for state in states_of(kind)]
# What the herd is made of is only destroyed by asking; what belongs to it comes and goes with it.
HERD = [(kind, state) for kind, state in STATES if kind in ("server", "instance", "resource")]
# States that lead to the end alone, or out of which another table leads.
WITHOUT_RETURN = (DESTROYED, DESTROYING, FENCED, RETIRING, CHANGING_OVER)
WORDS = sorted({word for rules in LIFE.values() for rule in rules for word in str(rule.when).replace(")", " ").split()})


def values(type_: str) -> st.SearchStrategy[Any]:
    if type_ == BOOL:
        return st.booleans()
    if type_ == INT:
        return st.integers(-1, 2**40)
    if type_ == FLOAT:
        return st.floats(-1, 1e9)
    return st.sampled_from([*WORDS, "", "x" * 300])


ANY_FACTS = st.fixed_dictionaries({}, optional={name: st.none() | values(fact.type) for name, fact in FACTS.items()})
SMALL = settings(max_examples=60, deadline=None)


@pytest.mark.parametrize(("kind", "state"), STATES)
def test_facts_of_nothing_but_none_move_nothing(kind: str, state: str) -> None:
    assert think(LIFE[kind], state, read(NOW, {})).then == WAIT
    assert think(LIFE[kind], state, Facts(NOW, dict.fromkeys(FACTS))).then == WAIT


@SMALL
@given(st.sampled_from(STATES), ANY_FACTS)
def test_whatever_is_felt_has_an_answer_that_is_legal(where: tuple[str, str], known: dict[str, Any]) -> None:
    kind, state = where
    rule = think(LIFE[kind], state, Facts(NOW, known))
    assert rule.covers(state)
    if rule.then.kind == GO:
        assert state in move(kind, rule.then.name).sources
    if state in ENDS:
        assert rule.then == WAIT


@SMALL
@given(st.sampled_from(STATES), st.dictionaries(st.sampled_from([*FACTS, "colour"]), st.none() | st.text(max_size=8)))
def test_whatever_text_was_recorded_can_be_thought_about(where: tuple[str, str], attrs: dict[str, str | None]) -> None:
    kind, state = where
    assert think(LIFE[kind], state, read(NOW, attrs)).covers(state)


@SMALL
@given(
    st.sampled_from(HERD),
    ANY_FACTS,
)
def test_nothing_but_asking_destroys(where: tuple[str, str], known: dict[str, Any]) -> None:
    kind, state = where
    rule = think(LIFE[kind], state, Facts(NOW, known | {"asked": None}))
    assert not (rule.then.kind == GO and move(kind, rule.then.name).target == DESTROYING)


WORLDS = {
    "server": st.fixed_dictionaries(
        {
            "machine": st.sampled_from(["absent", "pending", "running", "stopped", None]),
            "ssh": st.sampled_from([False, None]),
            "host_key": st.booleans(),
            "members": st.just(0),
        }
    ),
    "instance": st.fixed_dictionaries(
        {
            "job": st.sampled_from(["none", "running", "done", "failed", "lost", None]),
            "postmaster": st.sampled_from([False, None]),
            "data_dir": st.sampled_from([True, False, None]),
            "service_available": st.sampled_from([False, None]),
            "tries": st.integers(0, 9),
            "members": st.just(0),
        }
    ),
    "resource": st.fixed_dictionaries(
        {
            "instance_state": st.sampled_from(["creating", "available", "uncertain", "down", None]),
            "service_available": st.sampled_from([False, None]),
            "own_instance": st.booleans(),
            "handed": st.just("none"),
            "copied": st.just(False),
            "changeover": st.just("none"),
        }
    ),
}


def known_of(kind: str, state: str, known: dict[str, Any]) -> dict[str, Any]:
    """A world in that state as it can be: what has once been available has all that it takes."""
    if state == "creating":
        return known
    return (
        known
        | {
            "server": {"host_key": True, "machine": known.get("machine") or "running"},
            "instance": {"data_dir": True},
            "resource": {"placed": True, "instance_state": known.get("instance_state") or "available"},
        }[kind]
    )


@SMALL
@given(st.data())
@pytest.mark.parametrize(("kind", "state"), [where for where in HERD if where[1] not in WITHOUT_RETURN])
def test_from_any_state_good_facts_lead_back_to_available(kind: str, state: str, data: st.DataObject) -> None:
    world = World(kind, state, known_of(kind, state, data.draw(WORLDS[kind])))
    for _beat in range(30):
        world.beat()
        if world.state == AVAILABLE:
            return
    pytest.fail(f"{kind} never came back from {state}; it is {world.state}, rows {world.rows}, facts {world.known}")


@SMALL
@given(st.data())
@pytest.mark.parametrize(("kind", "state"), [where for where in HERD if where[1] not in (DESTROYED, CHANGING_OVER)])
def test_from_any_state_asking_leads_to_the_end(kind: str, state: str, data: st.DataObject) -> None:
    world = World(kind, state, known_of(kind, state, data.draw(WORLDS[kind])))
    world.ask("destroy")
    for _beat in range(30):
        world.beat()
        if world.state == DESTROYED:
            return
    pytest.fail(f"{kind} asked to destroy in {state} is {world.state}, rows {world.rows}, facts {world.known}")


def test_an_adopted_host_that_nobody_can_tell_of_is_asked_for_until_it_can_be_reached() -> None:
    """Its provider says why not, which is shown as the problem; it is never made, nor taken for one that is off."""
    known = {"machine": None, "adopted": True, "host_key": False}
    rule = think(LIFE["server"], "creating", Facts(NOW, known))
    assert (rule.row, rule.then.name) == (207, "introduce")


def _database(**more: Any) -> dict[str, Any]:
    known = {"service_available": True, "in_recovery": False, "read_only": False, "instance_state": "available"}
    return known | {"changeover": "none", "placed": True, "follows": False, "doubt_window_s": 20.0} | more


@pytest.mark.parametrize("refusing", [{"in_recovery": True}, {"read_only": True}])
def test_a_database_that_takes_no_writes_is_not_well(refusing: dict[str, Any]) -> None:
    """In any state in which one that does not answer is not; only what follows is read only by its nature."""
    for state, state_s, then in (
        ("available", 86_400.0, "doubt"), ("uncertain", 1.0, None), ("uncertain", 21.0, "go_down"),
        ("down", 86_400.0, None), ("changing_over", 1.0, "abandon_changeover"),
    ):  # fmt: skip
        rule = think(LIFE["resource"], state, Facts(NOW, _database(state_s=state_s) | refusing))
        assert rule.then.name == then or (then is None and rule.then == WAIT), (state, rule)
        follows = think(LIFE["resource"], state, Facts(NOW, _database(state_s=state_s, follows=True) | refusing))
        assert follows.row in (901, 311, 401), (state, follows)


@pytest.mark.parametrize("theirs", [{"service_code": "28P01"}, {"service_code": "53300", "closed": "CONNECTION_LIMIT"}])
def test_whom_its_customer_has_locked_out_is_not_down_and_its_password_can_be_rotated(theirs: dict[str, Any]) -> None:
    known = _database(service_available=False, in_recovery=None, read_only=None, doubt_s=60.0, sql_vantages=3)
    known |= theirs | {"vantage_sees": True, "state_s": 60.0}
    assert think(LIFE["resource"], "available", Facts(NOW, known)).then == WAIT
    for state in ("uncertain", "down"):
        assert think(LIFE["resource"], state, Facts(NOW, known)).then.name == "come_back"
    for state in ("available", "uncertain", "down"):
        assert think(LIFE["resource"], state, Facts(NOW, known | {"asked": "rotate"})).then.name == "rotate"


@pytest.mark.parametrize("code", ["53200", "53300"])
def test_a_database_that_has_no_room_for_another_session_is_neither_in_doubt_nor_down(code: str) -> None:
    """Whatever else is known: a PostgreSQL that says so is alive, and neither a restart nor a move makes room."""
    known = _database(service_available=False, in_recovery=None, read_only=None, doubt_s=600.0, sql_vantages=3)
    known |= {"service_code": code, "closed": "", "vantage_sees": True, "state_s": 600.0}
    assert think(LIFE["resource"], "available", Facts(NOW, known)).then == WAIT
    for state in ("uncertain", "down"):
        assert think(LIFE["resource"], state, Facts(NOW, known)).then.name == "come_back"
    down = known | {"instance_state": "down"}
    assert think(LIFE["resource"], "uncertain", Facts(NOW, down)).then.name == "go_down"


@pytest.mark.parametrize("code", ["28000", "28P01", "53200", None])
def test_a_suspended_database_is_neither_down_nor_its_customers_doing(code: str | None) -> None:
    known = _database(service_available=False, in_recovery=None, read_only=None, doubt_s=600.0, sql_vantages=3)
    known |= {"service_code": code, "closed": "NOLOGIN", "vantage_sees": True, "state_s": 600.0}
    known |= {"suspended": True, "suspension_s": 900.0}
    assert think(LIFE["resource"], "available", Facts(NOW, known)).row == 296
    for state in ("uncertain", "down"):
        assert think(LIFE["resource"], state, Facts(NOW, known)).row == 307
    over = Facts(NOW, known | {"suspension_s": 0.0})
    assert think(LIFE["resource"], "available", over).then.name == "lift"
    down = Facts(NOW, known | {"suspension_s": 0.0, "instance_state": "down"})
    assert think(LIFE["resource"], "available", down).then == WAIT
    for state in ("available", "uncertain", "down"):
        assert think(LIFE["resource"], state, Facts(NOW, known | {"asked": "lift"})).then.name == "lift"


def test_what_leads_by_our_records_and_is_in_recovery_is_promoted_again() -> None:
    known = {"role": "leader", "outdated": False, "service_available": True, "in_recovery": True, "configured": True}
    known |= {"moving": False, "job": "none", "state_s": 60.0, "quorum_step": "nothing"}
    assert think(LIFE["instance"], "available", Facts(NOW, known)).then.name == "promote"
    waits = think(LIFE["instance"], "available", Facts(NOW, known | {"moving": True}))
    assert waits.then == WAIT, "its changeover promotes it"
