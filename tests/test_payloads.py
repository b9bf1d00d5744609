"""Payloads are JSON, within bounds; anything else is refused with its place and value."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duly.errors import InvalidPayload
from duly.payloads import decode, encode

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_every_json_value_comes_back_as_it_was(value: Any) -> None:
    assert decode(encode(value, 2**20)) == value


def _nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def _circle() -> list[Any]:
    ring: list[Any] = []
    ring.append(ring)
    return ring


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param(object(), "payload is not JSON", id="object"),
        pytest.param({"a": {1, 2}}, r"payload\['a'\] is not JSON", id="set-inside"),
        pytest.param(b"bytes", "is a bytes", id="bytes"),
        pytest.param({1: "a"}, "key that is not text: 1", id="number-as-key"),
        pytest.param(float("nan"), "not JSON", id="nan"),
        pytest.param([float("inf")], "not JSON", id="infinity"),
        pytest.param("a\0b", "NUL", id="nul"),
        pytest.param("\ud800", "not valid Unicode", id="lone-surrogate"),
        pytest.param("x" * 100, "payload is 102 bytes as JSON, more than the 99", id="too-large"),
        pytest.param(_nested(40), "nested deeper than 32", id="too-deep"),
        pytest.param(_circle(), "nested deeper than 32", id="circle"),
        pytest.param({str(n): n for n in range(1001)}, "over 1000 keys", id="too-wide"),
        pytest.param(10**5000, "not JSON", id="number-too-long"),
    ],
)
def test_what_is_not_a_payload_is_refused(value: Any, message: str) -> None:
    with pytest.raises(InvalidPayload, match=message):
        encode(value, 99)


@pytest.mark.parametrize("text", ["{", "", "[" * 100_000], ids=["cut", "empty", "deep"])
def test_stored_text_that_is_not_json_is_a_clear_error(text: str) -> None:
    with pytest.raises(InvalidPayload, match="stored payload is not JSON"):
        decode(text)
