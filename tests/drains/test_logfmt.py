"""logfmt, read and written: the known vectors, and what must hold for any line."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observations.logfmt import read, write

KEYS = (
    st.text(min_size=1).map(lambda text: "".join(char for char in text if char > " " and char not in '="')).filter(bool)
)
SMALL = settings(max_examples=60, deadline=None)
PAIRS = st.lists(st.tuples(KEYS, st.just(True) | st.text()))


@pytest.mark.parametrize(
    ("line", "pairs"),
    [
        (
            'foo=bar a=14 baz="hello kitty" cool%story=bro f %^asdf',
            [("foo", "bar"), ("a", "14"), ("baz", "hello kitty"), ("cool%story", "bro"), ("f", True), ("%^asdf", True)],
        ),
        (
            r'a=1 b="bar" ƒ=2h3s r="esc\t" d x=sf',
            [("a", "1"), ("b", "bar"), ("ƒ", "2h3s"), ("r", "esc\t"), ("d", True), ("x", "sf")],
        ),
        ("", []),
        ("a=", [("a", "")]),
        ('a=""', [("a", "")]),
        ("a= b", [("a", ""), ("b", True)]),
        ("  a\t\tb=1\n", [("a", True), ("b", "1")]),
        ('= " ="', []),
        ("a==b", [("a", ""), ("b", True)]),
        ('a="b"c=d', [("a", "b"), ("c", "d")]),
        ('a=b"c', [("a", "b"), ("c", True)]),
        ('a=1 b="no end', [("a", "1")]),
        ('a="no end\\', []),
        ('a="no end\\" b=2', []),
        (r'a="\"\\\/\n\u00e9\uzz"', [("a", '"\\/\néuzz')]),
        (r"a=b\c", [("a", r"b\c")]),
        ("a=1 a=2", [("a", "1"), ("a", "2")]),
    ],
)
def test_lines_and_their_pairs(line: str, pairs: list[tuple[str, str | bool]]) -> None:
    assert read(line) == pairs


@pytest.mark.parametrize(
    ("pairs", "line"),
    [
        ([("a", "1"), ("b", True), ("c", "")], 'a=1 b c=""'),
        ([("a", "hello kitty"), ("b", "x=y"), ("c", 'say "hi"')], r'a="hello kitty" b="x=y" c="say \"hi\""'),
        ([("a", "tab\there"), ("b", "\x00\x7f")], r'a="tab\there" b="\u0000\u007f"'),
        ([("sample#db_size", "14bytes"), ("ƒ", "ü")], "sample#db_size=14bytes ƒ=ü"),
        ([("a", r"b\c"), ("d", r"e \f")], r'a=b\c d="e \\f"'),
        ([], ""),
    ],
)
def test_pairs_and_their_line(pairs: list[tuple[str, str | bool]], line: str) -> None:
    assert write(pairs) == line


@pytest.mark.parametrize("pair", [("", "x"), ("a b", "x"), ("a=b", "x"), ('a"', "x"), ("a\n", "x"), ("a", False)])
def test_what_can_not_be_written(pair: tuple[str, str | bool]) -> None:
    with pytest.raises(ValueError, match="logfmt can't write"):
        write([pair])


@SMALL
@given(PAIRS)
def test_what_was_written_is_read_as_it_was(pairs: list[tuple[str, str | bool]]) -> None:
    assert read(write(pairs)) == pairs


@SMALL
@given(PAIRS)
def test_one_line_is_one_line(pairs: list[tuple[str, str | bool]]) -> None:
    assert not any(char < " " for char in write(pairs))


@SMALL
@given(st.text() | st.text(alphabet='ab=" \\nu0'))
def test_whatever_is_read_can_be_written_and_read_again(line: str) -> None:
    pairs = read(line)
    assert read(write(pairs)) == pairs
    assert all(char > " " and char not in '="' for key, _value in pairs for char in key)


@SMALL
@given(st.text(alphabet='ab=" \\'), st.text(alphabet="ab= \\"))
def test_what_follows_a_pair_that_ended_takes_nothing_from_it(before: str, after: str) -> None:
    whole = read('first="1" ' + after)
    assert whole[0] == ("first", "1")
    assert read(f"{before.replace(chr(34), '')} last=2")[-1] == ("last", "2")
