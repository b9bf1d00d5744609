"""Payloads: JSON in, stored text out, and back."""

from __future__ import annotations

import json
from typing import Any, TypeAlias

from duly.errors import InvalidPayload

Payload: TypeAlias = Any
MAX_DEPTH = 32
MAX_KEYS = 1_000


def encode(payload: Payload, max_bytes: int) -> str:
    """Turn a payload into the text that is stored.

    payload: what JSON can say (RFC 8259): None, bool, int, finite float, str, and lists
    and str-keyed dicts of these, at most 32 deep with at most 1,000 keys in all.
    max_bytes: largest size of the text in UTF-8.

    Raises InvalidPayload naming the place and the value.
    """
    _check(payload, "payload", 1, [0])
    try:
        text = json.dumps(payload, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise InvalidPayload(f"payload holds text that is not valid Unicode: {error}") from None
    except ValueError as error:
        raise InvalidPayload(f"payload is not JSON: {error}") from None
    if size > max_bytes:
        raise InvalidPayload(
            f"payload is {size} bytes as JSON, more than the {max_bytes} allowed; "
            "store the data yourself and schedule its id, or raise DULY['PAYLOAD_MAX_BYTES']"
        )
    return text


def decode(text: str) -> Payload:
    """Turn stored text back into the payload.

    Raises InvalidPayload when the text is not JSON: somebody else wrote the row.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidPayload(f"stored payload is not JSON: {error}") from None


def _check(value: object, place: str, depth: int, keys: list[int]) -> None:
    if depth > MAX_DEPTH:
        raise InvalidPayload(f"{place} is nested deeper than {MAX_DEPTH} levels")
    match value:
        case None | bool() | int() | float():
            # Bounds of numbers are json.dumps' own to refuse (NaN, infinity).
            return
        case str():
            if "\0" in value:
                raise InvalidPayload(f"{place} holds a NUL character, which JSON columns refuse")
        case dict():
            keys[0] += len(value)
            if keys[0] > MAX_KEYS:
                raise InvalidPayload(f"{place} brings the payload over {MAX_KEYS} keys")
            for key, item in value.items():
                _check_key(key, place)
                _check(item, f"{place}[{key[:40]!r}]", depth + 1, keys)
        case list() | tuple():
            for index, item in enumerate(value):
                _check(item, f"{place}[{index}]", depth + 1, keys)
        case _:
            raise InvalidPayload(
                f"{place} is not JSON: {value!r:.80} is a {type(value).__name__}; "
                "use text, numbers, true/false, null, lists and dicts"
            )


def _check_key(key: object, place: str) -> None:
    if not isinstance(key, str):
        raise InvalidPayload(f"{place} has a key that is not text: {key!r:.80}")
    if "\0" in key:
        raise InvalidPayload(f"{place} has a key with a NUL character: {key!r:.80}")
