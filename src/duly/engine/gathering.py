"""Gathering: what is due for a handler of batches waits for others, for a moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from duly.engine.routes import Due, Route
from duly.policy.batch import Batch


@dataclass(slots=True, eq=False)
class _Gathered:
    batch: Batch
    due_by: float
    """When it is called whatever has come, on the monotonic clock."""
    due: list[Due]
    """Of one event type, and so in one place; their services may have gates of their own."""


class Gathering:
    """The batches that are not full yet, and those that wait for a place."""

    def __init__(self) -> None:
        self._growing: dict[str, _Gathered] = {}
        self._whole: list[_Gathered] = []

    def add(self, one: Due, batch: Batch, now: float) -> None:
        """Put a claim to others of its event type."""
        event_type = one.claim.event_type
        found = self._growing.get(event_type)
        if found is None:
            due_by = now + batch.within.total_seconds()
            found = self._growing[event_type] = _Gathered(batch, due_by, [])
        found.due.append(one)
        if len(found.due) >= batch.most:
            self._whole.append(self._growing.pop(event_type))

    def ripen(self, now: float) -> None:
        """Let those wait no longer whose time has come."""
        for event_type, found in list(self._growing.items()):
            if found.due_by <= now:
                self._whole.append(self._growing.pop(event_type))

    def take(self, has_place: Callable[[Route], bool]) -> list[list[Due]]:
        """Give the batches that there is a place for; the others wait for one."""
        taken = [one for one in self._whole if has_place(one.due[0].route)]
        self._whole = [one for one in self._whole if one not in taken]
        return [one.due for one in taken]

    def waits_for_place(self) -> bool:
        """Say whether a batch waits for nothing but a place."""
        return bool(self._whole)

    def next_at(self) -> float | None:
        """Say when the next of those that grow is called."""
        return min((found.due_by for found in self._growing.values()), default=None)
