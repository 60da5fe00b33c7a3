"""A typo in the settings by which people are told is an error of `manage.py check`, and says what is meant."""

import pytest

from incidents.checks import telling


def wrong() -> list[tuple[str, str]]:
    return [(error.id, error.msg) for error in telling()]


def test_what_is_set_by_default_is_sound():
    assert wrong() == []


@pytest.mark.parametrize(
    ("given", "id", "words"),
    [
        ({"PAGING": ["pagerdtuy", "log"]}, "herdsite.E013", "no channel 'pagerdtuy'"),
        ({"PAGING": []}, "herdsite.E013", "no one can be paged"),
        ({"NOTICES": {"opened": "sometimes"}}, "herdsite.E014", "opened=sometimes"),
        ({"NOTICES": {"tried": ""}}, "herdsite.E014", "tried="),
        ({"NOTICES": {"broken": "send"}}, "herdsite.E014", "broken=send"),
        ({"QUIET_HOURS": "night"}, "herdsite.E015", "'night'"),
        ({"QUIET_HOURS": "22-25"}, "herdsite.E015", "'22-25'"),
    ],
)
def test_each_typo_is_named(settings, given, id, words):
    for name, value in given.items():
        setattr(settings, name, value)
    ((found, said),) = wrong()
    assert found == id and words in said


@pytest.mark.parametrize("quiet", ["", "0-6", "20-8", "12-24"])
def test_hours_that_there_are(settings, quiet):
    settings.QUIET_HOURS = quiet
    assert wrong() == []
