"""From the JSON of an answer to a dataclass, by what the dataclass says of its fields.

A field that the answer has and the dataclass does not is left out, since the service may be newer
than the client; one that the answer lacks is at its default, or the answer is none of the
service's.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from duly.client.errors import UnexpectedAnswer
from duly.client.times import read as read_time

_Result = TypeVar("_Result")
_Reader = Callable[[Any], Any]


def result(kind: type[_Result], data: object) -> _Result:
    """Build a dataclass from a JSON object. Raises UnexpectedAnswer naming what does not fit."""
    if not isinstance(data, Mapping):
        raise UnexpectedAnswer(f"the answer holds {data!r:.60} where a {kind.__name__} must be")
    values = {}
    for name, reader, is_needed in _readers(kind):  # type: ignore[arg-type]
        if name in data:
            try:
                values[name] = reader(data[name])
            except (TypeError, ValueError) as error:
                raise UnexpectedAnswer(f"{name} of a {kind.__name__}: {error}") from None
        elif is_needed:
            raise UnexpectedAnswer(f"the answer has no {name!r}, which a {kind.__name__} has")
    return kind(**values)


def results(kind: type[_Result], data: object) -> tuple[_Result, ...]:
    """Build many from a JSON array. Raises UnexpectedAnswer."""
    if not isinstance(data, list):
        raise UnexpectedAnswer(f"the answer holds {data!r:.60} where a list must be")
    return tuple(result(kind, one) for one in data)


@lru_cache
def _readers(kind: type[Any]) -> tuple[tuple[str, _Reader, bool], ...]:
    hints = get_type_hints(kind)
    return tuple(
        (
            one.name,
            _reader(hints[one.name]),
            one.default is MISSING and one.default_factory is MISSING,
        )
        for one in fields(kind)
    )


def _reader(hint: Any) -> _Reader:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return lambda value: value
    if origin is Mapping:
        return _mapping(_reader(arguments[1]))
    if origin in (Union, types.UnionType):
        (inner,) = (_reader(one) for one in arguments if one is not type(None))
        return lambda value: None if value is None else inner(value)
    if origin is tuple:
        each = _reader(arguments[0])
        return lambda value: tuple(each(one) for one in value or ())
    if is_dataclass(hint):
        return lambda value: result(hint, value)  # type: ignore[arg-type]
    return _PLAIN[hint]


def _mapping(each: _Reader) -> _Reader:
    def read(value: object) -> dict[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            raise ValueError(f"{value!r:.60} is no object")
        return {name: each(one) for name, one in value.items()}

    return read


def _text(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.60} is no text")
    return value


def _number(value: object) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r:.60} is no number")
    return value


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r:.60} is neither true nor false")
    return value


_PLAIN: Mapping[Any, _Reader] = {
    str: _text,
    int: _number,
    float: lambda value: float(_number(value)),
    bool: _truth,
    UUID: lambda value: UUID(_text(value)),
    datetime: read_time,
}
