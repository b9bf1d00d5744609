"""The policies of an event, as the flat fields of a request say them; spans are in seconds."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from duly.errors import DulyError
from duly.policy.handling import DEFAULT, Handling
from duly.policy.retry import DEFAULT_ATTEMPTS, DEFAULT_BASE, DEFAULT_CAP, Retry
from duly.rest.problems import invalid, of_error

MOST_RETRIES = 1000
_SOONEST = timedelta(milliseconds=1)
_RETRY = ("max_retries", "retry_delay_seconds")
_SPANS = {
    "timeout_seconds": "timeout",
    "expires_after_seconds": "expires_after",
    "catch_up_window_seconds": "catch_up_window",
}
_POLICIES = ("catch_up", "catch_up_limit", "overlap", "priority")
HANDLING = frozenset({"max_retries", "retry_delay_seconds", *_SPANS, *_POLICIES})
"""The fields that say a policy."""


def read_handling(given: dict[str, Any], present: Handling = DEFAULT) -> Handling:
    """Give the policies that the fields of a request say; null is a policy's default.

    present: those that hold for what is not given. Raises Problem.
    """
    values: dict[str, Any] = {}
    for name in _POLICIES:
        if name in given:
            values[name] = _or_default(name, given[name])
    for field, name in _SPANS.items():
        if field in given:
            value = given[field]
            values[name] = _or_default(name, None if value is None else _seconds(field, value))
    if "max_retries" in given or "retry_delay_seconds" in given:
        values["retry"] = _retry(given, present.retry)
    try:
        return replace(present, **values)
    except (DulyError, TypeError) as error:
        if isinstance(error, DulyError):
            raise of_error(error, given) from None
        # A list where the name of a policy should be.
        raise invalid("body", given, f"holds a policy that cannot be read ({error})") from None


def _or_default(name: str, value: Any) -> Any:
    return getattr(DEFAULT, name) if value is None else value


def _retry(given: dict[str, Any], present: Retry | None) -> Retry | None:
    asked = {name: given.get(name) for name in _RETRY if name in given}
    is_reset = all(value is None for value in asked.values())
    if is_reset and (present is None or len(asked) == len(_RETRY)):
        return None
    known = present or Retry()
    retries, delay = asked.get("max_retries"), asked.get("retry_delay_seconds")
    if retries is None:
        retries = (DEFAULT_ATTEMPTS if "max_retries" in asked else known.attempts) - 1
    if (
        isinstance(retries, bool)
        or not isinstance(retries, int)
        or not 0 <= retries <= MOST_RETRIES
    ):
        raise invalid("max_retries", retries, f"must be a whole number from 0 to {MOST_RETRIES}")
    base = DEFAULT_BASE if "retry_delay_seconds" in asked else known.base
    if delay is not None:
        base = _seconds("retry_delay_seconds", delay, least=0)
    # No wait at all is the shortest there is.
    base = max(base, _SOONEST)
    return Retry(attempts=retries + 1, base=base, cap=max(base, DEFAULT_CAP))


def _seconds(field: str, value: Any, least: float = 0.001) -> timedelta:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not least <= value <= 1e9:
        raise invalid(field, value, f"must be a number of seconds from {least:g} to 1000000000")
    return timedelta(seconds=value)
