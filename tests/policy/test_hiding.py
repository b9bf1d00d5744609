"""Values of a payload are taken out of a text, however they are quoted in it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from duly.policy.hiding import HIDDEN, without_values


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        pytest.param({"name": "Müller"}, "no Müller here", id="as-it-is"),
        pytest.param(["a'b\nc-d"], f"no {'a' + chr(39) + 'b' + chr(10) + 'c-d'!r}", id="repr"),
        pytest.param({"x": ["Mü\tller"]}, f"no {json.dumps('Mü' + chr(9) + 'ller')}", id="json"),
        pytest.param({"x": {"y": 123456}}, "no 123456", id="number"),
        pytest.param("first line\nsecond line", "only the second line", id="a-line-of-it"),
    ],
)
def test_a_value_is_hidden_however_it_is_quoted(payload: Any, text: str) -> None:
    found = without_values(text, [payload])

    assert HIDDEN in found
    assert not any(part in found for part in ("Mü", "ller", "123456", "c-d", "second"))


def test_short_values_and_names_stay_so_that_the_text_can_be_read() -> None:
    text = "KeyError: 'name' is not in a row of 42"

    assert without_values(text, [{"name": "row", "n": 42, "is": True, "no": None}]) == text


def test_a_value_within_another_leaves_nothing_of_it() -> None:
    assert without_values("Anna-Maria", [["Anna", "Anna-Maria"]]) == HIDDEN
