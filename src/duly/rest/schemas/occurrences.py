"""Occurrences, their attempts, and the ledger: what is answered."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from duly.rest.schemas.base import Body, Instant, Json, Shown

OccurrenceStatus = Literal[
    "queued", "running", "pending", "succeeded", "dead", "skipped", "cancelled"
]
Outcome = Literal["running", "succeeded", "retried", "snoozed", "released", "died", "cancelled"]


class Attempt(Shown):
    """One try at an occurrence, as the ledger tells it."""

    attempt: int = Field(description="1 for the first.")
    outcome: Outcome
    began_at: Instant | None
    ended_at: Instant | None
    error: str | None = Field(description="What it failed with; in lists its first line.")
    retry_at: Instant | None = Field(description="When the next one was set to begin.")
    fenced_at: Instant | None = Field(
        description="When a result came that changed nothing: the attempt had been given up."
    )


class OccurrenceBrief(Shown):
    """One firing of an event."""

    occurrence_id: str
    event_id: str
    type: str
    service_id: str
    due_at: Instant = Field(description="In UTC; with the event's id it is its identity.")
    scheduled_time: Instant = Field(description="The same, as it is read in its zone.")
    wall_time: str = Field(description="The civil time that the rule asked for.")
    timezone: str
    status: OccurrenceStatus
    attempts: int = Field(description="How many have begun.")
    wake_at: Instant | None = Field(description="When it is looked at again; null once ended.")
    expires_at: Instant | None
    started_at: Instant | None
    finished_at: Instant | None
    reason: str | None
    error: str | None = Field(description="Of its last attempt; in lists the first line.")
    idempotency_key: str = Field(description="What every one of its attempts is made with.")


class OccurrenceTold(OccurrenceBrief):
    """One firing of an event, with its attempts."""

    history: list[Attempt] = Field(description="Its attempts, the first one first.")


class Occurrence(OccurrenceTold):
    """All of one firing."""

    payload: Json


class OccurrencePage(Shown):
    """Some occurrences of an event, those due last first."""

    items: list[OccurrenceTold]
    next_cursor: str | None = Field(description="For the next page; null on the last.")


class LedgerEntry(Shown):
    """One fact."""

    id: int
    at: Instant
    fact: str = Field(examples=["scheduled", "started", "succeeded"])
    event_id: str
    occurrence_id: str | None
    attempt: int | None
    actor: str
    data: dict[str, Any] | None


class LedgerPage(Shown):
    """Some facts about an event."""

    items: list[LedgerEntry]
    next_cursor: str | None = Field(description="For the next page; null on the last.")


class DeadLetter(OccurrenceBrief):
    """An occurrence whose attempts are used up."""

    entity_type: str | None
    entity_id: str | None


class DeadLetterPage(Shown):
    """Some dead letters, the oldest first."""

    items: list[DeadLetter]
    next_cursor: str | None = Field(description="For the next page; null on the last.")


class DeadGroup(Shown):
    """Dead letters of one type that died of the same."""

    service_id: str
    type: str
    error: str = Field(description="The first line, cut at 300 characters.")
    count: int
    first_due_at: Instant
    last_due_at: Instant
    latest_occurrence_id: str


class DeadGroups(Shown):
    """Dead letters by what they died of."""

    groups: list[DeadGroup] = Field(description="The largest first.")
    looked_at: int
    complete: bool = Field(description="False: only the newest were looked at.")


class ReplayRequest(Body):
    """Which dead letters are to run again; what is not given does not narrow."""

    type: str | None = Field(None, max_length=100)
    service_id: str | None = Field(None, description="The caller's own, which it is without.")
    entity_type: str | None = Field(None, max_length=100)
    entity_id: str | None = Field(None, max_length=200)
    error: str | None = Field(None, min_length=1, max_length=500, description="A part of it.")
    start_time: str | None = Field(None, max_length=64, description="Due from then on.")
    end_time: str | None = Field(None, max_length=64, description="Due before then.")
    limit: int = Field(1000, ge=1, le=10_000, description="The oldest so many.")
    dry_run: bool = Field(False, description="Only say how many there are.")


class ReplayAnswer(Shown):
    """What has been done, or would be."""

    dry_run: bool
    count: int = Field(description="How many run again, or would.")
    occurrence_ids: list[str] = Field(description="Of those that do.")
    more: bool = Field(description="Whether there may be others, beyond the limit.")
