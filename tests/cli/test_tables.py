"""Tables of plain text."""

from __future__ import annotations

import pytest

from duly.cli.tables import table, visible


def test_columns_are_aligned_and_empty_ones_left_out() -> None:
    text = table(["type", "key", "service"], [["a", "", "mail"], ["longer", "", "x"]])

    assert text.splitlines() == ["type    service", "a       mail", "longer  x"]


def test_a_note_follows_its_row() -> None:
    text = table(["n"], [["1"], ["2"]], ["", "<- here"])

    assert text.splitlines() == ["n", "1", "2  <- here"]


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        pytest.param("\x1b[2Jhello", r"\x1b[2Jhello", id="terminal-sequence"),
        pytest.param("a\nb\tc", r"a\nb\tc", id="line-break"),
        pytest.param("\u202egpj.exe", r"\u202egpj.exe", id="right-to-left-override"),
        pytest.param("Zürich 東京", "Zürich 東京", id="letters-of-any-script"),
    ],
)
def test_characters_that_steer_a_terminal_are_shown_as_escapes(raw: str, shown: str) -> None:
    assert visible(raw) == shown


def test_output_that_is_no_terminal_has_no_colour() -> None:
    assert "\033" not in table(["head"], [["cell"]], ["note"])
