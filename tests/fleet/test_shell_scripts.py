"""Every script that goes to a host under ShellCheck, and no error of a command in it is lost."""

import pytest

from tests import shellcheck
from tests.shellcheck import MASKED, UNCHECKED

BEFORE = "set -eu\n"

SCRIPTS = shellcheck.scripts()


def test_all_scripts_are_found():
    assert len(SCRIPTS) > 50
    assert {"fleet.postgres.scripts.FENCE", "fleet.jobs._START"} <= SCRIPTS.keys()


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_a_script_has_no_fault_and_loses_no_error(name: str):
    text = SCRIPTS[name]
    known = shellcheck.functions(text)
    found = shellcheck.check(name, text)
    faults = [f"{one.text.strip()}: {one.message} (SC{one.code})" for one in found if one.code != UNCHECKED]
    faults += shellcheck.lost(text)
    for verb in sorted({shellcheck.called(one) for one in found if one.code == UNCHECKED}):
        faults += shellcheck.unanswered(verb, known)
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("dump() {\n    pg_ctl start\n    mv a b\n}\ndump || echo failed\n", "dump: pg_ctl start"),
        ("dump() {\n    pg_ctl start || return 1\n    mv a b\n}\ndump || echo failed\n", ""),
        ("inner() {\n    mv a b\n    mv c d\n}\nouter() {\n    inner\n}\nif outer; then :; fi\n", "inner: mv a b"),
        ('made() {\n    at=$(date)\n    [ -n "$at" ]\n}\n! made || exit 0\n', "made: at=$(date)"),
        ("asks() {\n    # Only a question.\n    [ -e /a ] && [ -e /b ]\n}\nasks && echo yes\n", ""),
    ],
)
def test_a_function_in_a_condition_answers_for_each_of_its_commands(text: str, fault: str):
    (found,) = [one for one in shellcheck.check("made", BEFORE + text) if one.code == UNCHECKED][:1]
    assert shellcheck.unanswered(shellcheck.called(found), shellcheck.functions(text)) == ([fault] if fault else [])


def test_a_command_whose_failure_another_one_hides_is_a_fault():
    found = shellcheck.check("made", BEFORE + 'echo "bytes=$(stat -c %s /a)"\n')
    assert [one.code for one in found] == [MASKED]
    assert shellcheck.lost(BEFORE + 'for one in a b; do sync "$one" && mv "$one" c; done\n')
    assert not shellcheck.lost(BEFORE + "[ ! -e a ] || rm a\n[ -e b ] && rm b\n")
