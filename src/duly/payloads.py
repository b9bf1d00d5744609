"""Payloads: JSON in, stored text out, and back."""

from __future__ import annotations

import json
from typing import Any, TypeAlias

from duly.errors import InvalidPayload

Payload: TypeAlias = Any
MAX_DEPTH = 32
MAX_KEYS = 1_000
# What needs no looking into.
_SCALARS = frozenset({type(None), bool, int, float})
# Depth is bounded before, so that a circle is found without the encoder's own search.
_to_text = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")
).encode


def encode(payload: Payload, max_bytes: int) -> str:
    """Turn a payload into the text that is stored.

    payload: what JSON can say (RFC 8259): None, bool, int, finite float, str, and lists
    and str-keyed dicts of these, at most 32 deep with at most 1,000 keys in all.
    max_bytes: largest size of the text in UTF-8.

    Raises InvalidPayload naming the place and the value.
    """
    if payload is None:
        return "null"
    if not _is_plain(payload):
        _check(payload, "payload", 1, [0])
    try:
        text = _to_text(payload)
        size = len(text) if text.isascii() else len(text.encode("utf-8"))
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


def _is_plain(payload: object) -> bool:
    """Say whether a payload is of the most usual form: text and numbers by name, or alone.

    Of any other `_check` finds out what it is, and names the place of what is wrong.
    """
    if type(payload) is not dict:
        return _is_plain_leaf(payload)
    if len(payload) > MAX_KEYS:
        return False
    for key, value in payload.items():
        if type(key) is not str or "\0" in key:
            return False
        if not _is_plain_leaf(value):
            return False
    return True


def _is_plain_leaf(value: object) -> bool:
    return type(value) in _SCALARS or (type(value) is str and "\0" not in value)


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
            _check_items(value, place, depth, keys)
        case list() | tuple():
            for index, item in enumerate(value):
                _check(item, f"{place}[{index}]", depth + 1, keys)
        case _:
            raise InvalidPayload(
                # Not the value: payloads do not belong into logs.
                f"{place} is not JSON: it is a {type(value).__name__}; "
                "use text, numbers, true/false, null, lists and dicts"
            )


def _check_items(value: dict[Any, Any], place: str, depth: int, keys: list[int]) -> None:
    keys[0] += len(value)
    if keys[0] > MAX_KEYS:
        raise InvalidPayload(f"{place} brings the payload over {MAX_KEYS} keys")
    for key, item in value.items():
        _check_key(key, place)
        # Naming the place is what costs: not for what is well.
        if depth >= MAX_DEPTH or not _is_plain_leaf(item):
            _check(item, f"{place}[{key[:40]!r}]", depth + 1, keys)


def _check_key(key: object, place: str) -> None:
    if not isinstance(key, str):
        raise InvalidPayload(f"{place} has a key that is not text: {key!r:.80}")
    if "\0" in key:
        raise InvalidPayload(f"{place} has a key with a NUL character: {key!r:.80}")
