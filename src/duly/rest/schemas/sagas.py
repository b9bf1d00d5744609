"""Sagas and breakers: what is asked, and what is answered."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from duly.rest.schemas.base import Body, Instant, Json, Shown

SagaStatus = Literal[
    "running", "waiting", "compensating", "completed", "compensated", "cancelled", "failed"
]
BreakerStatus = Literal["closed", "open", "half_open"]


class NewSaga(Body):
    """A saga to start."""

    name: str = Field(min_length=1, max_length=100, description="As it is defined in Python.")
    context: dict[str, Any] | None = Field(None, description="What every step receives.")
    key: str | None = Field(
        None, min_length=1, max_length=200, description="Unique among the sagas of this name."
    )
    entity_type: str | None = Field(None, min_length=1, max_length=100)
    entity_id: str | None = Field(None, min_length=1, max_length=200)


class Signal(Body):
    """A signal to a saga."""

    signal: str = Field(min_length=1, max_length=100)
    value: Json = Field(None, description="Goes into the context under the signal's name.")


class CancelSaga(Body):
    """Why a saga is to go back."""

    reason: str = Field("", max_length=500)


class SagaBrief(Shown):
    """One run of a saga."""

    saga_id: str
    name: str
    service_id: str
    key: str | None
    version: str = Field(description="Fingerprint of the definition that it runs by.")
    entity_type: str | None
    entity_id: str | None
    status: SagaStatus
    reason: str | None
    created_at: Instant
    updated_at: Instant


class SagaStep(Shown):
    """A step or a wait of a saga, a step's compensation, or the timer of either."""

    position: int
    name: str
    direction: Literal["forward", "compensation", "timer"]
    status: Literal["planned", "running", "stopping", "succeeded", "failed", "cancelled"]
    event_id: str | None
    occurrence_id: str | None
    began_at: Instant | None
    ended_at: Instant | None
    result: Json = Field(description="What it added to the context.")
    reason: str | None


class Saga(SagaBrief):
    """All of one run."""

    context: dict[str, Any]
    steps: list[SagaStep]


class SagaPage(Shown):
    """Some sagas, the newest first."""

    items: list[SagaBrief]
    next_cursor: str | None = Field(description="For the next page; null on the last.")


class Breaker(Shown):
    """Whether a target is asked."""

    name: str = Field(examples=["service:crm", "type:reminder"])
    status: BreakerStatus
    failures_in_row: int
    succeeded: int = Field(description="Within the present window.")
    failed: int = Field(description="Within the present window.")
    openings: int = Field(description="How often it has opened since the target was well.")
    probe_at: Instant | None = Field(
        description="When the target is tried; null while open: when it is closed by hand."
    )


class BreakerPage(Shown):
    """Some breakers, by name."""

    items: list[Breaker]
    next_cursor: str | None = Field(description="For the next page; null on the last.")
