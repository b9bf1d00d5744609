"""The one settings dict, `DULY = {...}`, read and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from functools import lru_cache
from operator import is_
from typing import Any, NamedTuple

from django.conf import settings

from duly.errors import ConfigurationError
from duly.policy.notify import Notify, notify_from
from duly.policy.rate import Rate
from duly.policy.service import Service, service_from
from duly.policy.token_options import TokenOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Every setting, in lower case, with its default.

    Raises ConfigurationError naming the setting, its value and the rule.
    """

    database: str = "default"
    """Alias of the database that holds the events."""

    tzdata: str = "wheel"
    """Where time zones come from: "wheel" (the tzdata package), "system", or a folder of TZif."""

    environment: str = ""
    """Such as "production": engines fire only on a database that is stamped with the same.

    The first engine stamps it. Empty: engines fire on any database."""

    strict: bool = True
    """Refuse to schedule an event type that no handler is registered for.

    False: such an event is accepted; its occurrences are parked until a handler appears."""

    handler_modules: Sequence[str] = ()
    """Modules of installed apps that hold handlers, besides their `handlers.py`; such as
    "reminders", or "jobs.handlers" within an app."""

    payload_max_bytes: int = 65_536
    """Largest payload, in bytes of its JSON text in UTF-8."""

    rest_body_max_bytes: int = 262_144
    """Largest body of a request to the REST API, and of one event within a bulk."""

    concurrency: int = 16
    """Plain handlers that one engine runs at once, each in a thread."""

    async_concurrency: int = 100
    """`async def` handlers that one engine runs at once, on one event loop."""

    remote_concurrency: int = 64
    """Requests to HTTP targets that one engine makes at once, each in a thread."""

    horizon_seconds: float = 1.0
    """How far ahead of its due instant an occurrence is claimed and held on a timer."""

    poll_seconds: float = 0.5
    """Longest time between two looks at the database, where no notification comes."""

    lease_seconds: float = 30.0
    """How long a claim lives without its holder's heartbeat (sent four times a lease)."""

    grace_seconds: float = 25.0
    """How long a stopping engine waits for running handlers; 0 does not wait."""

    listen: bool = True
    """Use LISTEN/NOTIFY on PostgreSQL; set to False behind a pooler in transaction mode."""

    retention_days: int = 0
    """How long what has ended is kept, in days; 0: for ever. Dead occurrences always are."""

    tracing: bool = True
    """Make spans of what is scheduled and tried, where OpenTelemetry has a tracer provider."""

    redact: str = ""
    """Dotted path of a callable `(event_type, payload) -> payload` that says what people are shown
    of a payload. Empty: all of one that is not encrypted, and nothing of one that is."""
    bad_keys: str = "100/m"
    """How many bad keys and tokens an address, or the prefix of a key, may bring: so many at
    once, and then evenly; more are answered 429. Counted by each process. Empty: any number."""

    jwt: TokenOptions | None = field(default=None, hash=False)
    """Which bearer tokens are taken: a dict, see `duly.policy.token_options.TokenOptions`.
    None: none are."""

    streams: int = 8
    """Streams of what fires that one process holds open at once; 0: none. On a server of threads
    each takes one of them, so that it must have more."""

    streams_per_caller: int = 2
    """Of these, how many of one key or token."""

    services: Mapping[str, Service] = field(default_factory=dict, hash=False)
    """Where the events of a service are delivered, by its name: a dict of options for each, see
    `duly.policy.service.service_from`. One that is not named here, nor registered in the
    database, delivers to handlers."""

    notify: Notify | None = field(default=None, hash=False)
    """Who is told when something fails: a dict of `email`, `webhook`, `event`, `on`, `interval`
    and `objective`, see `duly.policy.notify.Notify`. None: nobody is."""

    def __post_init__(self) -> None:
        for each in fields(self):
            if each.name in SCALARS:
                _check_type(each.name, getattr(self, each.name), type(each.default))
        object.__setattr__(self, "handler_modules", _modules(self.handler_modules))
        object.__setattr__(self, "services", _services(self.services))
        object.__setattr__(self, "notify", _notify(self.notify))
        object.__setattr__(self, "jwt", _token_options(self.jwt))
        _check_rate("bad_keys", self.bad_keys)
        counts: tuple[str, ...] = ("payload_max_bytes", "rest_body_max_bytes")
        counts += ("concurrency", "async_concurrency", "remote_concurrency")
        for name in counts:
            _require(getattr(self, name) >= 1, name, getattr(self, name), "must be 1 or more")
        for name in ("horizon_seconds", "poll_seconds", "lease_seconds"):
            _require(getattr(self, name) > 0, name, getattr(self, name), "must be above 0")
        for name in ("streams", "streams_per_caller"):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "must be 0 or more")
        _require(self.grace_seconds >= 0, "grace_seconds", self.grace_seconds, "must be 0 or more")
        _require(
            self.retention_days >= 0, "retention_days", self.retention_days, "must be 0 or more"
        )
        # A claim must outlive the wait for its own due instant, with beats to spare.
        _require(
            self.lease_seconds >= 2 * self.horizon_seconds,
            "lease_seconds",
            self.lease_seconds,
            f"must be at least twice HORIZON_SECONDS ({self.horizon_seconds:g})",
        )


def _modules(given: object) -> tuple[str, ...]:
    rule = "must be a list of names of modules, such as ['reminders']"
    _require(isinstance(given, list | tuple), "handler_modules", given, rule)
    assert isinstance(given, list | tuple)
    for name in given:
        is_name = isinstance(name, str) and all(map(str.isidentifier, name.split(".")))
        _require(is_name, "handler_modules", name, rule)
    return tuple(given)


def _services(given: object) -> dict[str, Service]:
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"DULY['SERVICES'] must be a dict, got {given!r:.120}")
    found: dict[str, Service] = {}
    for name, options in given.items():
        try:
            is_read = isinstance(options, Service)
            found[name] = options if is_read else service_from(name, options)
        except ConfigurationError as error:
            raise ConfigurationError(f"DULY['SERVICES']: {error}") from None
    return found


def _notify(given: object) -> Notify | None:
    if given is None or isinstance(given, Notify):
        return given
    try:
        return notify_from(given)
    except ConfigurationError as error:
        raise ConfigurationError(f"DULY['NOTIFY'] {error}") from None


def _token_options(given: object) -> TokenOptions | None:
    try:
        return None if given is None else TokenOptions.from_mapping(given)
    except ConfigurationError as error:
        raise ConfigurationError(f"DULY['JWT']: {error}") from None


def _check_rate(name: str, text: str) -> None:
    try:
        if text:
            Rate.parse(text)
    except ConfigurationError as error:
        raise ConfigurationError(f"DULY[{name.upper()!r}]: {error}") from None


def _check_type(name: str, value: object, expected: type) -> None:
    allowed: tuple[type, ...] = (int, float) if expected is float else (expected,)
    if not isinstance(value, allowed) or (isinstance(value, bool) and expected is not bool):
        _require(False, name, value, f"must be of type {expected.__name__}")


def _require(holds: bool, name: str, value: object, rule: str) -> None:
    if not holds:
        raise ConfigurationError(f"DULY[{name.upper()!r}] {rule}, got {value!r}")


KNOWN = frozenset(field.name.upper() for field in fields(Config))
SCALARS = frozenset(field.name for field in fields(Config)) - {
    *("handler_modules", "services", "jwt", "notify")
}
"""The settings that are one value each."""


def parse(mapping: Mapping[str, Any]) -> Config:
    """Turn the settings dict into a Config.

    Raises ConfigurationError for an unknown key ("did you mean …?") or a bad value.
    """
    if not isinstance(mapping, Mapping):
        raise ConfigurationError(f"DULY must be a dict, got {mapping!r}")
    for key in mapping:
        if key not in KNOWN:
            near = get_close_matches(str(key).upper(), KNOWN, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known: {sorted(KNOWN)}"
            raise ConfigurationError(f"DULY has no setting {key!r}{hint}")
    return Config(**{key.lower(): value for key, value in mapping.items()})


@lru_cache(maxsize=16)
def _parsed(items: tuple[tuple[str, Any, type], ...]) -> Config:
    return parse(
        {name: value.value if isinstance(value, _Same) else value for name, value, _ in items}
    )


class _Same:
    """A dict as a key: the same object, as it was when it was first looked at."""

    def __init__(self, value: dict[str, Any]) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.value is self.value


def _hashable(value: Any) -> Any:
    return _Same(value) if isinstance(value, dict) else value


class _Seen(NamedTuple):
    """The dict as it was when it was last read, and what was read."""

    mapping: Any
    names: tuple[str, ...]
    values: tuple[Any, ...]
    config: Config

    def is_still(self, mapping: Any) -> bool:
        """Say whether a dict is this one, with the very same values in it."""
        return (
            mapping is self.mapping
            and tuple(mapping) == self.names
            and all(map(is_, mapping.values(), self.values))
        )


_seen: _Seen | None = None


def config() -> Config:
    """Read `settings.DULY` as it is now."""
    global _seen
    mapping = getattr(settings, "DULY", {})
    # Asked for ten times in a request, and it hardly ever changes.
    seen = _seen
    if seen is not None and seen.is_still(mapping):
        return seen.config
    found = _read(mapping)
    _seen = _Seen(mapping, tuple(mapping), tuple(mapping.values()), found)
    return found


def _read(mapping: Any) -> Config:
    try:
        # With their types: True equals 1, and is another setting.
        return _parsed(
            tuple((name, _hashable(value), type(value)) for name, value in mapping.items())
        )
    except (TypeError, AttributeError):
        # What cannot be looked up is told apart, and refused, one by one.
        return parse(mapping)
