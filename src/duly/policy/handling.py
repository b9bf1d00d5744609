"""What an event says of how its occurrences are handled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Literal, TypedDict, get_args
from uuid import UUID

from duly.errors import ConfigurationError, InvalidEvent
from duly.policy import trace
from duly.policy.retry import Retry, span

CatchUp = Literal["latest", "earliest", "all", "none"]
Overlap = Literal[
    "allow_all", "skip", "buffer_one", "buffer_all", "cancel_other", "terminate_other"
]

DEFAULT_WINDOW = timedelta(hours=24)
DEFAULT_LIMIT = 100
# Each make-up firing looks through those that remain, so that more would cost minutes.
MOST_CAUGHT_UP = 1000
HIGHEST_PRIORITY = 9
PRIORITY_STEP = timedelta(seconds=10)
_SECOND = timedelta(seconds=1)
# Beside the policies of an event that is a saga's stands which saga's: no policy, and nothing
# that a user could set.
SAGA = "saga"
_MARKS = trace.MARKS | {SAGA}


class HandlingArguments(TypedDict, total=False):
    """The fields of `Handling`; a span of time may be a number of seconds."""

    retry: Retry | None
    timeout: timedelta | float | None
    expires_after: timedelta | float | None
    catch_up: CatchUp
    catch_up_window: timedelta | float
    catch_up_limit: int
    overlap: Overlap
    priority: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Handling:
    """The policies of one event.

    Raises InvalidEvent naming the field that cannot work.
    """

    retry: Retry | None = None
    """How failures are retried, its numbers only; None: as its handler has it."""
    timeout: timedelta | None = None
    """How long one attempt may take; None: as its handler has it."""
    expires_after: timedelta | None = None
    """An attempt that could not begin so soon after its due instant is not begun; None: never."""
    catch_up: CatchUp = "latest"
    """Which of the firings that an outage prevented are made up for; a one-off always fires."""
    catch_up_window: timedelta = DEFAULT_WINDOW
    """Nothing that was due longer ago is made up for."""
    catch_up_limit: int = DEFAULT_LIMIT
    """With `catch_up="all"`, the last so many."""
    overlap: Overlap = "allow_all"
    """What to do when an occurrence comes due while another of its event is not over."""
    priority: int = 0
    """0 to 9: where more is due than can begin, each step counts as if it were due 10 s earlier.
    So what is urgent comes first, and nothing waits for ever."""

    def __post_init__(self) -> None:
        if self.retry is not None and not isinstance(self.retry, Retry):
            raise InvalidEvent(f"retry must be a Retry, got {self.retry!r:.60}")
        if self.retry is not None and (self.retry.retry_on or self.retry.give_up_on):
            raise InvalidEvent("retry_on and give_up_on belong to the handler: an event is data")
        for name in ("timeout", "expires_after", "catch_up_window"):
            self._check_span(name, is_optional=name != "catch_up_window")
        for name, known in (("catch_up", get_args(CatchUp)), ("overlap", get_args(Overlap))):
            if getattr(self, name) not in known:
                raise InvalidEvent(
                    f"{name} must be one of {', '.join(known)}; got {getattr(self, name)!r:.60}"
                )
        self._check_count("catch_up_limit", 1, MOST_CAUGHT_UP)
        self._check_count("priority", 0, HIGHEST_PRIORITY)

    def _check_count(self, name: str, least: int, most: int) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise InvalidEvent(f"{name} must be {least} to {most}, got {value!r:.60}")

    def _check_span(self, name: str, *, is_optional: bool) -> None:
        value = getattr(self, name)
        if value is None and is_optional:
            return
        try:
            found = span(name, value)
        except ConfigurationError as error:
            raise InvalidEvent(str(error)) from None
        if not found:
            raise InvalidEvent(f"{name} must be above zero, got {value!r:.60}")
        object.__setattr__(self, name, found)

    def to_json(self) -> dict[str, Any]:
        """Give what is not at its default; spans of time in seconds."""
        found: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "retry" and value is not None:
                found["retry"] = {
                    "attempts": value.attempts,
                    "base": value.base / _SECOND,
                    "cap": value.cap / _SECOND,
                }
            elif value != field.default:
                found[field.name] = value / _SECOND if isinstance(value, timedelta) else value
        return found

    @classmethod
    def of(cls, arguments: HandlingArguments) -> Handling:
        """Build it from keyword arguments. Raises InvalidEvent."""
        return cls(**arguments) if arguments else DEFAULT  # type: ignore[arg-type]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Handling:
        """Give the policies that `to_json` gave. Raises InvalidEvent."""
        if not data:
            return DEFAULT
        values = without_marks(data)
        if not values:
            return DEFAULT
        if retry := values.get("retry"):
            values["retry"] = Retry(
                attempts=retry["attempts"],
                base=timedelta(seconds=retry["base"]),
                cap=timedelta(seconds=retry["cap"]),
            )
        try:
            return cls(**values)
        except TypeError as error:
            raise InvalidEvent(f"the stored policy cannot be read: {error}") from None


DEFAULT = Handling()


def marks_of(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Give what stands beside the stored policies of an event: its saga, and its trace."""
    return {name: value for name, value in stored.items() if name in _MARKS}


def without_marks(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Give the stored policies of an event, and nothing of what stands beside them."""
    return {name: value for name, value in stored.items() if name not in _MARKS}


def has_policies(stored: Mapping[str, Any]) -> bool:
    """Say whether an event has policies of its own, and not only what stands beside them."""
    return bool(stored) and not stored.keys() <= _MARKS


def rank(due_at: datetime, handling: Mapping[str, Any]) -> datetime:
    """Give the instant by which an occurrence has its place among others that are due."""
    return due_at - handling.get("priority", 0) * PRIORITY_STEP if handling else due_at


def of_saga(stored: dict[str, Any], saga: UUID) -> dict[str, Any]:
    """Mark stored policies as those of an event of this saga."""
    return stored | {SAGA: saga.hex}


def saga_of(stored: Mapping[str, Any]) -> UUID | None:
    """Say which saga an event with these stored policies belongs to."""
    return UUID(stored[SAGA]) if stored and SAGA in stored else None


def retry_of(stored: Mapping[str, Any], handlers: Retry) -> Retry:
    """Give a handler's policy with the numbers of a stored event, if it has some."""
    own = Handling.from_json(stored).retry
    if own is None:
        return handlers
    return Retry(
        attempts=own.attempts,
        base=own.base,
        cap=own.cap,
        retry_on=handlers.retry_on,
        give_up_on=handlers.give_up_on,
    )
