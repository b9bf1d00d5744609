"""What every rule can be asked."""

from __future__ import annotations

from typing import Any, Protocol

from duly.civil.instants import Instant
from duly.civil.resolve import Due

VERSION = 1
"""Of the JSON form of rules."""


class Rule(Protocol):
    """When something is due, as a value: immutable, hashable, compared by what it says."""

    @property
    def zone(self) -> str:
        """The IANA name of the zone that the rule is read in."""
        ...

    @property
    def is_elapsed(self) -> bool:
        """Whether it counts time that elapses, rather than naming times on the wall."""
        ...

    def next(self, after: Instant) -> Due | None:
        """Give the first due instant after `after`; None when there is no further one."""
        ...

    def anchored(self, now: Instant, seed: str = "") -> Rule:
        """Give the rule with `now` and `seed` for what it leaves to the moment of scheduling.

        seed: what tells this event from others, for its jitter.
        """
        ...

    def rederived(self, stored: Due, since: Instant) -> Due | None:
        """Give what a due instant has become by the zone data of now; None: nothing is left.

        stored: as the data of its time had it. since: the instant that it was the next of.

        A rule of civil times keeps the civil time, and one that counts elapsed time goes on
        from `since`: neither skips nor repeats what it names.
        """
        ...

    def told(self, due: Due) -> Due:
        """Give a stored due instant with what is not stored: where a calendar moved it from."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Give the form that is stored; `duly.civil.forms.rule_from_json` reads it."""
        ...

    def describe(self) -> str:
        """Say the rule in words."""
        ...
