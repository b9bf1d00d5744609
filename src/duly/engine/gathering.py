"""Gathering: what is due for a handler of batches waits for others, for a moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from duly.engine.routes import Route
from duly.policy.batch import Batch
from duly.store.rows import Claim


@dataclass(slots=True)
class _Gathered:
    batch: Batch
    route: Route
    due_by: float
    """When it is called whatever has come, on the monotonic clock."""
    claims: list[Claim]


class Gathering:
    """The batches that are not full yet, and those that wait for a place."""

    def __init__(self) -> None:
        self._growing: dict[str, _Gathered] = {}
        self._whole: list[_Gathered] = []

    def add(self, claim: Claim, route: Route, batch: Batch, now: float) -> None:
        """Put a claim to others of its event type."""
        found = self._growing.get(claim.event_type)
        if found is None:
            due_by = now + batch.within.total_seconds()
            found = self._growing[claim.event_type] = _Gathered(batch, route, due_by, [])
        found.claims.append(claim)
        if len(found.claims) >= batch.most:
            self._whole.append(self._growing.pop(claim.event_type))

    def ripen(self, now: float) -> None:
        """Let those wait no longer whose time has come."""
        for event_type, found in list(self._growing.items()):
            if found.due_by <= now:
                self._whole.append(self._growing.pop(event_type))

    def take(self, has_place: Callable[[Route], bool]) -> list[tuple[Route, list[Claim]]]:
        """Give the batches that there is a place for; the others wait for one."""
        taken = [one for one in self._whole if has_place(one.route)]
        self._whole = [one for one in self._whole if one not in taken]
        return [(one.route, one.claims) for one in taken]

    def waits_for_place(self) -> bool:
        """Say whether a batch waits for nothing but a place."""
        return bool(self._whole)

    def next_at(self) -> float | None:
        """Say when the next of those that grow is called."""
        return min((found.due_by for found in self._growing.values()), default=None)
