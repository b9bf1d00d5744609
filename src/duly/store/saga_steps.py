"""The rows of one saga's steps, read once, changed in memory and written together."""

from __future__ import annotations

from uuid import UUID

from duly.models import Saga
from duly.models.saga import SagaStep
from duly.policy.saga import StepStatus
from duly.policy.saga_definition import Definition

_CHANGED = (
    "status",
    "event_id",
    "occurrence_id",
    "result",
    "reason",
    "began_at",
    "ended_at",
)


class Steps:
    """Steps, compensations and timers by direction and position; the saga's row is locked."""

    def __init__(
        self, using: str, saga: Saga, definition: Definition, *, is_encrypted: bool
    ) -> None:
        self._using = using
        self._is_encrypted = is_encrypted
        self._saga = saga
        self._nodes = definition.nodes
        rows = SagaStep.objects.using(using).filter(saga=saga)
        self._rows = {(row.direction, row.position): row for row in rows}
        for row in self._rows.values():
            # Known, and not to be asked for once more.
            row.saga = saga
        self._changed: dict[tuple[str, int], SagaStep] = {}

    @property
    def has_changed(self) -> bool:
        """Whether there is anything to write."""
        return bool(self._changed)

    def get(self, direction: str, position: int) -> SagaStep | None:
        """Give a row, if there is one."""
        return self._rows.get((direction, position))

    def of_event(self, event_id: UUID) -> SagaStep | None:
        """Give the row that an event carries."""
        return next((row for row in self._rows.values() if row.event_id == event_id), None)

    def change(self, direction: str, position: int) -> SagaStep:
        """Give a row that is about to change; it is made where there is none yet."""
        where = (direction, position)
        if where not in self._rows:
            name = self._nodes[position].name
            self._rows[where] = SagaStep(
                saga=self._saga, position=position, direction=direction, name=name
            )
        self._changed[where] = self._rows[where]
        return self._rows[where]

    def statuses(self, direction: str) -> tuple[StepStatus, ...]:
        """Give the statuses by position; planned where there is no row."""
        rows = (self.get(direction, position) for position in range(len(self._nodes)))
        return tuple(StepStatus(row.status) if row else StepStatus.PLANNED for row in rows)

    def write(self) -> None:
        """Write what has changed."""
        rows = SagaStep.objects.using(self._using)
        rows.bulk_create([row for row in self._changed.values() if row.pk is None])
        known = [row for row in self._changed.values() if row.pk is not None]
        if self._is_encrypted:
            # A bulk update writes what it reads, which is plain: each is saved by itself.
            for row in known:
                row.save(using=self._using, update_fields=_CHANGED)
        else:
            rows.bulk_update(known, _CHANGED)
        self._changed.clear()
