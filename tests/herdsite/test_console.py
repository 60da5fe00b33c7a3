"""What `up` shows and what it only writes down."""

import pytest

from herdsite.console import Console, is_worth_a_look, shortened


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('at=2026 level=info logger=turn event="40 beats"', False),
        ("at=2026 level=info logger=move event=come_up subject=a", True),
        ("at=2026 level=warning logger=clock event=away", True),
        ("level=error event=broken", True),
        ("at=2026 level=info event=said text=level", False),
        ("Traceback (most recent call last):", False),
        ('  File "x.py", line 1', False),
        ("ModuleNotFoundError: No module named 'x'", True),
        ("", False),
    ],
)
def test_trouble_and_moves_and_last_words_are_worth_a_look(line, expected):
    assert is_worth_a_look(line) is expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            'at=1 level=info logger=move subject=pony row=207 source=creating target=available why="it\'s in"',
            "pony creating → available (row 207: it's in)",
        ),
        ("at=1 level=info logger=move event=odd subject=pony", "at=1 level=info logger=move event=odd subject=pony"),
        ("at=1 level=error logger=clock event=x why='a at=b'", "level=error event=x why='a at=b'"),
        ("what's this", "what's this"),
        ("22 of 22 databases available", "22 of 22 databases available"),
    ],
)
def test_a_shown_line_is_as_short_as_can_be(line, expected):
    assert shortened(line) == expected


def test_all_lines_are_written_and_few_are_shown(tmp_path, capsys):
    console = Console(tmp_path)
    console.line("feel", "level=info event=dull")
    console.line("demo", "6 hosts")
    console.line("web", "level=error event=broken")
    console.stage("database is ready")
    shown, written = capsys.readouterr().out, console.path.read_text()
    assert "dull" not in shown
    assert all(text in shown for text in ("6 hosts", "event=broken", "  database is ready"))
    assert all(text in written for text in ("feel    | level=info event=dull", "6 hosts", "broken", "database"))


def test_verbose_shows_all(tmp_path, capsys):
    Console(tmp_path, verbose=True).line("feel", "level=info event=dull")
    assert "feel    | level=info event=dull" in capsys.readouterr().out


def test_the_log_of_the_start_before_is_kept(tmp_path):
    for text in ("first", "second"):
        Console(tmp_path).line("web", text)
    assert "first" in (tmp_path / "herdsite.log.1").read_text()
    assert "first" not in (tmp_path / "herdsite.log").read_text()
