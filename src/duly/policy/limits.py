"""How many may be under way at once, and how often one may begin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from duly.errors import ConfigurationError
from duly.policy.rate import Rate

Per = Literal["entity", "event", "key"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a target, or an event type, bears.

    in_flight: how many occurrences may be under way at once, over all engines; None: any.
    rate: how often one may begin, as "100/m" or a Rate; None: as often as they come.

    Raises ConfigurationError.
    """

    in_flight: int | None = None
    rate: Rate | str | None = None

    def __post_init__(self) -> None:
        if self.in_flight is not None:
            check_count("in_flight", self.in_flight)
        if self.rate is not None and not isinstance(self.rate, Rate):
            object.__setattr__(self, "rate", Rate.parse(self.rate))

    @property
    def bucket(self) -> Rate | None:
        """The rate, as it was read."""
        return self.rate if isinstance(self.rate, Rate) else None

    def __bool__(self) -> bool:
        return self.in_flight is not None or self.rate is not None


@dataclass(frozen=True, slots=True)
class Concurrency:
    """How many occurrences of one event type may be under way for one entity, event or key.

    per: "entity", "event" or "key" (of the event; one without is not limited).
    limit: 1 or more.

    Raises ConfigurationError.
    """

    per: Per = "entity"
    limit: int = 1

    def __post_init__(self) -> None:
        if self.per not in get_args(Per):
            raise ConfigurationError(
                f"per of Concurrency must be one of {', '.join(get_args(Per))}; "
                f"got {self.per!r:.60}"
            )
        check_count("limit", self.limit)


NO_LIMITS = Limits()


def check_count(name: str, value: Any) -> None:
    """Raise ConfigurationError unless it is a whole number from 1 on."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"{name} must be a whole number from 1 on, got {value!r:.60}")
