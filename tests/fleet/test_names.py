"""Names are human and unique; a wrong one gets suggestions."""

import pytest
from django.core.exceptions import ValidationError

from fleet import names
from fleet.models.member import valid_name
from tests import factories
from tests.herd import change

pytestmark = pytest.mark.django_db


def test_a_fresh_name_is_a_valid_one() -> None:
    for _ in range(50):
        valid_name(names.fresh())


@pytest.mark.parametrize("name", ["herd-a-1", "a", "x9", "serene-elephant-42"])
def test_names_that_are_valid(name: str) -> None:
    valid_name(name)


@pytest.mark.parametrize("name", ["", "A", "1a", "-a", "a-", "a--b", "a_b", "a b", "a/b", "a\n", "ä", "a.b", "a;b"])
def test_names_that_are_not(name: str) -> None:
    with pytest.raises(ValidationError, match="lower-case letters"):
        valid_name(name)


def test_a_thing_is_found_by_its_name_or_by_kind_and_name() -> None:
    one = factories.server(name="herd-a-1")
    assert names.find("herd-a-1") == one
    assert names.find("server/herd-a-1") == one


def test_a_wrong_name_gets_suggestions() -> None:
    factories.server(name="serene-elephant-42")
    factories.server(name="brave-otter-17")
    with pytest.raises(names.NotFound, match=r"no 'serene-elefant-42'\. Did you mean serene-elephant-42\?"):
        names.find("serene-elefant-42")


@pytest.mark.parametrize(
    "name", ["nothing-like-it", "", "server/", "instance/herd-a-1", "cluster/herd-a-1", "a/b/herd-a-1"]
)
def test_what_is_not_there_is_not_found(name: str) -> None:
    factories.server(name="herd-a-1")
    with pytest.raises(names.NotFound):
        names.find(name)


def test_two_things_of_one_name_are_told_apart() -> None:
    one, other = factories.server(name="twin"), factories.instance(name="twin")
    with pytest.raises(names.NotFound, match="more than one thing: say server/twin or instance/twin"):
        names.find("twin")
    assert names.find("server/twin") == one
    assert names.find("instance/twin") == other


def test_who_holds_a_name_is_found_whatever_its_kind() -> None:
    one = factories.resource(name="shop")
    assert names.holder("shop") == one
    assert names.holder("shopping") is None


def test_completion_gives_all_that_live_and_begin_so() -> None:
    factories.server(name="herd-a-2")
    factories.server(name="herd-a-1")
    change(factories.server(name="herd-a-9"), due_at=None)
    factories.server(name="other")
    assert names.matching("herd-") == ["herd-a-1", "herd-a-2"]
    assert names.matching("herd_a") == []
    assert set(names.matching()) == {"herd-a-1", "herd-a-2", "other"}
