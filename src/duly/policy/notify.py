"""Who is told when something fails, of what, and how often."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

from duly.errors import ConfigurationError
from duly.policy.http_target import HttpTarget
from duly.policy.retry import span

DEFAULT_INTERVAL = timedelta(hours=1)
SHORTEST_INTERVAL = timedelta(minutes=1)
DEFAULT_OBJECTIVE = 0.999
MOST_ADDRESSES = 20
LONGEST_SIGNATURE = 200
# As strict as it must be for a header to hold it; whether it exists, its server knows.
_ADDRESS = re.compile(r"[^@\s<>,;:\"]+@[^@\s<>,;:\"]+")
# What differs from one error to the next of the same cause: numbers, ids, addresses of objects.
_CHANGING = re.compile(r"0x[0-9a-fA-F]+|\b[0-9a-fA-F]{8,}(?:-[0-9a-fA-F]{4,})*\b|[0-9]+")


class Kind(StrEnum):
    """What somebody may be told of."""

    DEAD = "dead"
    """The attempts of an occurrence are used up."""
    BREAKER = "breaker"
    """A breaker has opened."""
    SLO = "slo"
    """Too many begin late: the error budget burns."""
    ENGINE = "engine"
    """An engine fell silent, or there is none."""
    TZDATA = "tzdata"
    """The time zone data is old."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """DULY["NOTIFY"]: who is told, of what.

    Raises ConfigurationError naming the option that cannot work.
    """

    email: tuple[str, ...] = ()
    """Addresses that get a mail, over Django's own mail settings."""
    sender: str = ""
    """Who it is from; empty: Django's DEFAULT_FROM_EMAIL."""
    webhook: HttpTarget | None = None
    """Is sent a POST that is signed, as any HTTP target; a dict of its fields."""
    event: bool = False
    """Schedule an event of type "duly.notification", for a handler of the project."""
    on: frozenset[Kind] = frozenset(Kind)
    """What is told of; all of it, unless it is named."""
    interval: timedelta = DEFAULT_INTERVAL
    """How long nothing more is told of the same; a number is seconds, 60 or more."""
    objective: float = DEFAULT_OBJECTIVE
    """The share that shall begin within a minute, for "slo": above 0, and below 1."""

    def __post_init__(self) -> None:
        for name, check in _CHECKS.items():
            object.__setattr__(self, name, check(getattr(self, name)))
        if not (self.email or self.webhook or self.event):
            raise ConfigurationError("says nobody to tell: give email, webhook or event")

    @property
    def channels(self) -> list[str]:
        """The ways that are used."""
        given = {"email": self.email, "webhook": self.webhook, "event": self.event}
        return [name for name, is_given in given.items() if is_given]


def notify_from(options: object) -> Notify:
    """Read DULY["NOTIFY"]. Raises ConfigurationError naming the option, its value and the rule."""
    if not isinstance(options, Mapping):
        raise ConfigurationError(f"must be a dict, got {options!r:.60}")
    known = [field.name for field in fields(Notify)]
    for key in options:
        if key not in known:
            near = get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known)}"
            raise ConfigurationError(f"has no {key!r:.60}; {hint}")
    return Notify(**options)


def signature(error: str) -> str:
    """Give what errors of the same cause have in common: numbers and ids are left out."""
    return _CHANGING.sub("#", error.strip().partition("\n")[0])[:LONGEST_SIGNATURE]


def _email(value: object) -> tuple[str, ...]:
    given = _several(value)
    if given is None or len(given) > MOST_ADDRESSES:
        raise ConfigurationError(
            f"email must be an address, or up to {MOST_ADDRESSES} of them, got {value!r:.60}"
        )
    for address in given:
        if not isinstance(address, str) or not _ADDRESS.fullmatch(address):
            raise ConfigurationError(f"email has {address!r:.120}, which is no address")
    return given


def _sender(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise ConfigurationError(f"sender must be an address, got {value!r:.60}")
    return value


def _webhook(value: Any) -> HttpTarget | None:
    if value is None or isinstance(value, HttpTarget):
        return value
    try:
        return HttpTarget.from_mapping(value)
    except ConfigurationError as error:
        raise ConfigurationError(f"webhook: {error}") from None


def _event(value: object) -> bool:
    if not isinstance(value, bool):
        raise ConfigurationError(f"event must be True or False, got {value!r:.60}")
    return value


def _on(value: object) -> frozenset[Kind]:
    given = _several(value)
    names = [kind.value for kind in Kind]
    if not given or any(name not in names for name in given):
        raise ConfigurationError(f"on must be some of {', '.join(names)}, got {value!r:.120}")
    return frozenset(map(Kind, given))


def _interval(value: Any) -> timedelta:
    found = span("interval", value)
    if found < SHORTEST_INTERVAL:
        seconds = SHORTEST_INTERVAL.total_seconds()
        raise ConfigurationError(f"interval must be {seconds:g} seconds or more, got {value!r}")
    return found


def _objective(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1:
        raise ConfigurationError(f"objective must be above 0 and below 1, got {value!r:.60}")
    return float(value)


def _several(value: object) -> tuple[Any, ...] | None:
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, Iterable) else None


_CHECKS: dict[str, Callable[[Any], object]] = {
    "email": _email,
    "sender": _sender,
    "webhook": _webhook,
    "event": _event,
    "on": _on,
    "interval": _interval,
    "objective": _objective,
}
