"""What the service answers, as frozen dataclasses. Instants are aware, civil times naive."""

from __future__ import annotations

from duly.client.results.events import (
    Answer,
    Cancelled,
    EntityCancelled,
    Event,
    EventBrief,
    Rejected,
    Scheduled,
    Stored,
    TimezoneContext,
    Upcoming,
)
from duly.client.results.rules import (
    Conversion,
    Due,
    Explanation,
    Firing,
    Plan,
    Preview,
    Reading,
    Validation,
    Warned,
)
from duly.client.results.runs import (
    Attempt,
    Backfilled,
    DeadGroup,
    DeadGroups,
    Fired,
    LedgerEntry,
    Missed,
    Occurrence,
    Replayed,
    Triggered,
)
from duly.client.results.sagas import (
    Breaker,
    Saga,
    SagaStep,
)
from duly.client.results.templates import (
    CalendarLink,
    Template,
)

__all__ = [
    "Answer",
    "Attempt",
    "Backfilled",
    "Breaker",
    "CalendarLink",
    "Cancelled",
    "Conversion",
    "DeadGroup",
    "DeadGroups",
    "Due",
    "EntityCancelled",
    "Event",
    "EventBrief",
    "Explanation",
    "Fired",
    "Firing",
    "LedgerEntry",
    "Missed",
    "Occurrence",
    "Plan",
    "Preview",
    "Reading",
    "Rejected",
    "Replayed",
    "Saga",
    "SagaStep",
    "Scheduled",
    "Stored",
    "Template",
    "TimezoneContext",
    "Triggered",
    "Upcoming",
    "Validation",
    "Warned",
]
