"""A service: who owns events, where their occurrences are delivered, and what that bears."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from difflib import get_close_matches
from typing import Any

from duly.errors import ConfigurationError
from duly.policy.breaker import Breaker
from duly.policy.encryption import Encryption, encryption_from
from duly.policy.gates import Terms
from duly.policy.http_target import HttpTarget
from duly.policy.limits import NO_LIMITS, Limits
from duly.policy.quota import NO_QUOTA, Quota, quota_from
from duly.policy.retry import Retry, span

DEFAULT_TIMEOUT = timedelta(seconds=30)
OWN = "duly"
"""The service of what duly schedules for itself: its handlers are duly's, in the engine."""
_QUEUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,199}")


@dataclass(frozen=True, slots=True)
class HandlerTarget:
    """The Python handlers of the event types, in the engine's own process."""


@dataclass(frozen=True, slots=True)
class CeleryTarget:
    """The same handlers in Celery's workers, which take from this queue."""

    queue: str

    def __post_init__(self) -> None:
        _check_name("queue", self.queue)

    def __str__(self) -> str:
        return f"celery queue {self.queue!r}"


@dataclass(frozen=True, slots=True)
class TasksTarget:
    """The same handlers in the workers of a backend of django.tasks, by its alias."""

    backend: str

    def __post_init__(self) -> None:
        _check_name("backend", self.backend)

    def __str__(self) -> str:
        return f"django.tasks backend {self.backend!r}"


Target = HandlerTarget | CeleryTarget | TasksTarget | HttpTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One entry of DULY["SERVICES"], or one row of the database's own."""

    name: str
    target: Target = HandlerTarget()
    limits: Limits = NO_LIMITS
    breaker: Breaker | None = None
    """None: its occurrences are delivered however often that fails."""
    retry: Retry = field(default_factory=Retry)
    """Of a target that is no handler; a handler brings its own."""
    timeout: timedelta = DEFAULT_TIMEOUT
    """The same."""
    encryption: Encryption | None = None
    """None: its payloads are stored in plain text."""
    quota: Quota = NO_QUOTA
    """What it may ask for over REST."""

    @property
    def gate(self) -> str:
        """The name of its gate."""
        return f"service:{self.name}"

    @property
    def terms(self) -> Terms | None:
        """What its occurrences have to pass; None: nothing."""
        return Terms(self.limits, self.breaker) if self.limits or self.breaker else None


def _handler(options: Mapping[str, Any]) -> HandlerTarget:
    _check_known("a handler target", options, ())
    return HandlerTarget()


def _celery(options: Mapping[str, Any]) -> CeleryTarget:
    _check_known("a celery target", options, ("queue",))
    return CeleryTarget(options.get("queue", "celery"))


def _tasks(options: Mapping[str, Any]) -> TasksTarget:
    _check_known("a tasks target", options, ("backend",))
    return TasksTarget(options.get("backend", "default"))


def _http(options: Mapping[str, Any]) -> HttpTarget:
    return HttpTarget.from_mapping(options)


_TARGETS: dict[str, Callable[[Mapping[str, Any]], Target]] = {
    "handler": _handler,
    "celery": _celery,
    "tasks": _tasks,
    "http": _http,
}
# Whoever is reached over a network may be away, and must not be waited for by everybody.
_REMOTE: frozenset[str] = frozenset({"http"})
REMOTE_LIMITS = Limits(in_flight=16)
_COMMON = ("target", "in_flight", "rate", "breaker", "retry", "timeout", "encryption", "quota")


def service_from(name: str, options: object) -> Service:
    """Read one entry of DULY["SERVICES"].

    options: "target" ("handler", "celery", "tasks" or "http"), "in_flight", "rate", "breaker"
        (True, False, or the fields of `Breaker`, spans in seconds), "retry" ("attempts", "base"
        and "cap" in seconds), "timeout" (seconds), "encryption" (see `encryption_from`), "quota"
        (the fields of `Quota`), and what its target takes.

    Raises ConfigurationError naming the service, the option, its value and the rule.
    """
    try:
        if not isinstance(name, str) or not 1 <= len(name) <= 100:
            raise ConfigurationError("its name must be a text of 1 to 100 characters")
        if name == OWN:
            raise ConfigurationError("its name is that of duly's own events; name it otherwise")
        if not isinstance(options, Mapping):
            raise ConfigurationError(f"must be a dict, got {options!r:.60}")
        kind = options.get("target", "handler")
        if kind not in _TARGETS:
            raise ConfigurationError(
                f"target must be one of {', '.join(_TARGETS)}; got {kind!r:.60}"
            )
        own = {key: value for key, value in options.items() if key not in _COMMON}
        if kind == "http" and "timeout" in options:
            own["timeout"] = options["timeout"]
        is_remote = kind in _REMOTE
        default = REMOTE_LIMITS.in_flight if is_remote else None
        return Service(
            name=name,
            target=_TARGETS[kind](own),
            limits=Limits(options.get("in_flight", default), options.get("rate")),
            breaker=_breaker(options.get("breaker", is_remote)),
            retry=_retry(options.get("retry", {})),
            timeout=_timeout(options.get("timeout", DEFAULT_TIMEOUT)),
            encryption=encryption_from(options.get("encryption")),
            quota=quota_from(options.get("quota")),
        )
    except ConfigurationError as error:
        raise ConfigurationError(f"service {name!r:.120}: {error}") from None


def _breaker(given: object) -> Breaker | None:
    if given is None or isinstance(given, bool):
        return Breaker() if given else None
    if isinstance(given, Breaker):
        return given
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"breaker must be True, False or a dict, got {given!r:.60}")
    names = tuple(one.name for one in fields(Breaker))
    _check_known("a breaker", given, names)
    spans = ("window", "open_for", "open_cap")
    values: dict[str, Any] = {k: span(k, v) if k in spans else v for k, v in given.items()}
    return Breaker(**values)


def _retry(given: object) -> Retry:
    if isinstance(given, Retry):
        return given
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"retry must be a Retry or a dict, got {given!r:.60}")
    _check_known("retry", given, ("attempts", "base", "cap"))
    values: dict[str, Any] = {k: v if k == "attempts" else span(k, v) for k, v in given.items()}
    return Retry(**values)


def _timeout(given: Any) -> timedelta:
    found = span("timeout", given)
    if not found:
        raise ConfigurationError(f"timeout must be above zero, got {given!r}")
    return found


def _check_name(field: str, value: object) -> None:
    if not isinstance(value, str) or not _QUEUE.fullmatch(value):
        raise ConfigurationError(
            f"{field} must be 1 to 200 of letters, digits and '_.:-', got {value!r:.60}"
        )


def _check_known(what: str, options: Mapping[str, Any], names: tuple[str, ...]) -> None:
    for key in options:
        if key not in names:
            known = sorted({*names, *_COMMON}) if "target" in what else sorted(names)
            near = get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known)}"
            raise ConfigurationError(f"{what} has no {key!r:.60}; {hint}")
