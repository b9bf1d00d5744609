"""Many stored events, each built when it is looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple, overload
from uuid import UUID

from duly.models import ScheduledEvent


class Outline(NamedTuple):
    """What an answer says of an event that is new: a tuple, for a model takes longer to build
    than all else of the answer."""

    id: UUID
    status: str
    next_at: datetime
    updated_at: datetime
    execution_timezone: str
    resource_timezone: str
    user_timezone: str


class StoredEvents(Sequence[ScheduledEvent]):
    """The events that `schedule_events` has stored, in the order in which they were given.

    A sequence that builds an event when it is first read, without asking the database, and
    then keeps it: whoever schedules thousands seldom reads more than a few. A slice is a
    list; it equals any other sequence of the same events.
    """

    __slots__ = ("_build", "_built", "_count", "_ids", "_met", "_outline")

    def __init__(
        self,
        count: int,
        build: Callable[[int], ScheduledEvent],
        outline: Callable[[int], Outline],
        built: dict[int, ScheduledEvent],
        ids: Sequence[str | None] = (),
    ) -> None:
        self._count = count
        self._build = build
        self._outline = outline
        self._ids = ids
        self._built = built
        self._met = frozenset(built)

    def id_of(self, index: int) -> UUID:
        """Give the id of an event, which is not built for that."""
        known = self._ids[index] if self._ids else None
        found: UUID = UUID(known) if known is not None else self[index].id
        return found

    def outline_of(self, index: int) -> Outline | ScheduledEvent:
        """Give an event for an answer: in outline if it is new, and else as it is by now."""
        return self._outline(index) if self.is_new(index) else self[index]

    def is_new(self, index: int) -> bool:
        """Say whether an event was not there before."""
        return index not in self._met

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> ScheduledEvent: ...

    @overload
    def __getitem__(self, index: slice) -> list[ScheduledEvent]: ...

    def __getitem__(self, index: int | slice) -> ScheduledEvent | list[ScheduledEvent]:
        if isinstance(index, slice):
            return [self._event(at) for at in range(self._count)[index]]
        return self._event(range(self._count)[index])

    def __iter__(self) -> Iterator[ScheduledEvent]:
        return map(self._event, range(self._count))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, (str, bytes)):
            return NotImplemented
        return len(self) == len(other) and all(
            one == another for one, another in zip(self, other, strict=True)
        )

    # As lists: what is equal to a list cannot have a hash of its own.
    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{self._count} stored events>"

    def _event(self, index: int) -> ScheduledEvent:
        found = self._built.get(index)
        if found is None:
            found = self._built[index] = self._build(index)
        return found
