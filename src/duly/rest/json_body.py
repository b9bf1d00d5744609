"""JSON from outside, read strictly: what two readers could take differently is refused."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from django.http import HttpRequest
from ninja.parser import Parser
from ninja.types import DictStrAny

from duly.conf import config
from duly.rest.headers import header
from duly.rest.problems import Problem, malformed, too_large

# A payload may be 32 deep, and stands within an event, which may stand in a list.
MAX_DEPTH = 40
_READ = "_duly_json"


def read_json(raw: bytes) -> Any:
    """Read JSON text in UTF-8.

    Refused with a Problem: what is not JSON, NaN and infinite numbers, a name that stands twice
    in an object, NUL characters, halves of surrogate pairs, and more than 40 levels.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise malformed(f"the body is not UTF-8: {error.reason} at byte {error.start}") from None
    try:
        value = _decode(text)
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise malformed(f"the body is not JSON: {error}"[:300], value=text) from None
    # What is well costs no walk.
    if text.count("[") + text.count("{") > MAX_DEPTH or "\\u" in text:
        _check(value)
    return value


def body_of(request: HttpRequest) -> Any:
    """Read the JSON body of a request. Raises Problem, also where there is none."""
    raw = request.body
    if not raw:
        raise malformed("the body is empty; send JSON", value="")
    return read_json(raw)


def take_body(request: HttpRequest) -> None:
    """Read the body up to the limit, and not beyond it. Raises Problem for a larger one."""
    most = config().rest_body_max_bytes
    check_encoding(request)
    length = request.META.get("CONTENT_LENGTH") or "0"
    if length.isdigit() and int(length) > most:
        raise too_large(most)
    # Not every server names a length.
    body = request.read(most + 1)
    if len(body) > most:
        raise too_large(most)
    # As `HttpRequest.body` does, which would refuse by another setting.
    request._body = body


def check_encoding(request: HttpRequest) -> None:
    """Refuse a compressed body: of what small one it will grow is not known before."""
    encoding = header(request, "Content-Encoding", "identity")
    if encoding.lower() not in ("", "identity"):
        raise Problem(
            415,
            "Unsupported media type",
            f"Content-Encoding {encoding!r:.60} is not taken; send the body as it is",
            field="Content-Encoding",
            value=encoding,
            rule="a body is not compressed",
        )


class StrictParser(Parser):
    """Reads the bodies of all other views in the same way."""

    def parse_body(self, request: HttpRequest) -> DictStrAny:
        value: DictStrAny = getattr(request, _READ)
        return value


def read_for_ninja(request: HttpRequest) -> None:
    """Read the body before ninja does, which would put a word of its own for ours. Raises Problem.

    An empty one is left to it: a body may be one that need not be given.
    """
    if request.body:
        setattr(request, _READ, read_json(request.body))


def read_of(request: HttpRequest) -> Any:
    """Give what ninja was given of the body; None where nothing was."""
    return getattr(request, _READ, None)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice!r:.60} stands twice in one object")
    return found


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text:.40} is too large")
    return number


_decode = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_number
).decode


def _check(value: Any) -> None:
    """Look into a value for depth, and for text that cannot be stored; never by recursion."""
    level = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for one in level:
            if isinstance(one, str):
                _check_text(one)
            elif isinstance(one, dict):
                below += one
                below += one.values()
            elif isinstance(one, list):
                below += one
        if not below:
            return
        level = below
    raise _too_deep()


def _check_text(text: str) -> None:
    if "\0" in text:
        raise malformed("the body holds a NUL character, which cannot be stored")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise malformed("the body holds half of a surrogate pair, which is no text") from None


def _too_deep() -> Problem:
    rule = f"JSON is at most {MAX_DEPTH} levels deep"
    return malformed(f"the body is nested too deep: {rule}", rule=rule)
