"""Rows and values for tests: each builder names only what its test is about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from duly.civil.at import At
from duly.civil.every import Every
from duly.civil.instants import Instant
from duly.civil.rules import Rule
from duly.civil.zones import get_zone
from duly.ids import new_id
from duly.models import LedgerEntry, Occurrence, ScheduledEvent
from duly.policy.outcome import Decision
from duly.policy.states import OccurrenceStatus
from duly.store.contract import Store
from duly.store.rows import Advance, Claim, DueEvent, Result, resolution_text

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
LEASE = timedelta(seconds=30)
HOLDER = UUID("00000000-0000-4000-8000-000000000001")
OTHER_HOLDER = UUID("00000000-0000-4000-8000-000000000002")


def stored_event(using: str, due_at: datetime = NOW, **fields: Any) -> ScheduledEvent:
    """Store an event that is due once, at `due_at`, unless `rule` says otherwise."""
    rule: Rule = fields.pop("rule", None) or At.instant(due_at)
    due = rule.next(Instant(due_at - timedelta(microseconds=1)))
    assert due is not None
    row = {
        "id": new_id(NOW),
        "service": "default",
        "event_type": "reminder",
        "payload": {"n": 1},
        "rule": rule.to_json(),
        "execution_timezone": rule.zone,
        "tzdata_fingerprint": get_zone(rule.zone).fingerprint,
        "status": "scheduled",
        "next_at": due.at,
        "next_wall_time": due.wall_time,
        "next_resolution": resolution_text(due),
        "created_at": NOW,
        "updated_at": NOW,
    }
    return ScheduledEvent.objects.using(using).create(**(row | fields))


def every_minute() -> Every:
    """A rule that goes on."""
    return Every(timedelta(minutes=1), anchor=NOW - timedelta(minutes=1))


def finished(event: DueEvent) -> Advance:
    """Advance an event that comes due once."""
    return Advance(None)


def claim(
    store: Store, now: datetime = NOW, *, limit: int = 100, holder: UUID = HOLDER, **other: Any
) -> list[Claim]:
    """Claim what is due now."""
    born = store.claim_due(
        now=now,
        until=other.pop("until", now),
        limit=limit,
        lease_until=now + LEASE,
        holder=holder,
        advance=other.pop("advance", finished),
        **other,
    )
    return [*born.waiting, *born.begun]


def claim_again(store: Store, now: datetime, *, holder: UUID = HOLDER) -> list[Claim]:
    """Claim what is waking now."""
    return store.claim_waking(now=now, until=now, limit=100, lease_until=now + LEASE, holder=holder)


def start(store: Store, claims: list[Claim], now: datetime = NOW) -> set[UUID]:
    """Begin an attempt of each claim."""
    return store.start(claims, now=now, lease_until=now + LEASE, holder=HOLDER)


def running(store: Store) -> Claim:
    """Store an event, claim its occurrence and start it; the attempt's number is 1."""
    stored_event(store.using)
    claims = claim(store)
    start(store, claims)
    return claims[0]


def succeeded(claim: Claim, attempt: int = 1) -> Result:
    """The result of an attempt that went well."""
    decision = Decision(OccurrenceStatus.SUCCEEDED, "succeeded", None, "")
    return Result(claim.id, claim.event_id, claim.due_at, attempt, decision)


def retried(claim: Claim, wake_at: datetime, attempt: int = 1) -> Result:
    """The result of an attempt that failed and is tried again."""
    decision = Decision(OccurrenceStatus.PENDING, "retried", wake_at, "ValueError: no")
    return Result(claim.id, claim.event_id, claim.due_at, attempt, decision)


def only_occurrence(using: str) -> Occurrence:
    """Give the one occurrence there is."""
    return Occurrence.objects.using(using).get()


def ledger_facts(using: str, occurrence_id: UUID | None = None) -> list[str]:
    """Give the facts in the ledger, in the order in which they were written."""
    entries = LedgerEntry.objects.using(using).order_by("id")
    if occurrence_id:
        entries = entries.filter(occurrence_id=occurrence_id)
    return list(entries.values_list("fact", flat=True))


def fresh_holder() -> UUID:
    """One more engine."""
    return uuid4()
