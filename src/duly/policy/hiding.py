"""Taking the values of a payload out of a text that repeats them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

HIDDEN = "<encrypted>"
"""What stands in the place of what nobody is to read."""
# Shorter ones would take words apart that have nothing to do with the payload.
SHORTEST = 4


def without_values(text: str, payloads: Iterable[Any]) -> str:
    """Give a text without the texts and numbers that payloads hold, however they are quoted.

    Values of fewer than four characters stay, and so does what is only made from a value: it
    is a net under those who write error messages, and not a proof.
    """
    pieces = {
        piece for payload in payloads for value in _leaves(payload) for piece in _forms(value)
    }
    # The longest first: it may hold another.
    for piece in sorted(pieces, key=len, reverse=True):
        text = text.replace(piece, HIDDEN)
    return text


def _leaves(value: Any) -> Iterator[str]:
    match value:
        case dict():
            for item in value.values():
                yield from _leaves(item)
        case list():
            for item in value:
                yield from _leaves(item)
        case bool() | None:
            return
        case _:
            yield str(value)


def _forms(value: str) -> Iterator[str]:
    quoted = (repr(value)[1:-1], json.dumps(value)[1:-1])
    lines = value.splitlines() if "\n" in value else []
    return (form for form in (value, *quoted, *lines) if len(form.strip()) >= SHORTEST)
