"""What is answered about sagas and breakers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class SagaStep:
    """A step or a wait of a saga, a step's compensation, or the timer of either."""

    position: int
    name: str
    direction: str
    """"forward", "compensation" or "timer"."""
    status: str
    event_id: UUID | None = None
    occurrence_id: UUID | None = None
    began_at: datetime | None = None
    ended_at: datetime | None = None
    result: Any = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saga:
    """One run of a saga."""

    saga_id: UUID
    name: str
    service_id: str
    key: str = ""
    entity_type: str = ""
    entity_id: str = ""
    status: str
    reason: str = ""
    created_at: datetime
    updated_at: datetime
    context: Mapping[str, Any] = field(default_factory=dict)
    """Of a saga that was asked for alone; lists leave it and the steps out."""
    steps: tuple[SagaStep, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """Whether a target is asked."""

    name: str
    """Such as "service:crm"."""
    status: str
    """"closed", "open" or "half_open"."""
    failures_in_row: int
    succeeded: int
    """Within the present window; the same for `failed`."""
    failed: int
    openings: int
    """How often it has opened since the target was well."""
    probe_at: datetime | None = None
    """When the target is tried; None while open: when it is closed by hand."""
