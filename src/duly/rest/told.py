"""Occurrences, their attempts and ledger entries as answers show them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from duly.civil import zones
from duly.models import LedgerEntry, Occurrence
from duly.policy.attempts import Attempt


def brief(one: Occurrence, *, is_list: bool = True) -> dict[str, Any]:
    """Show an occurrence, without its payload."""
    zone = zones.get_zone(one.zone)
    return {
        "occurrence_id": str(one.id),
        "event_id": str(one.event_id),
        "type": one.event_type,
        "service_id": one.service,
        "due_at": one.due_at.isoformat(),
        "scheduled_time": one.due_at.astimezone(zone.info).isoformat(),
        "wall_time": one.wall_time.isoformat() if one.wall_time else "",
        "timezone": one.zone,
        "status": str(one.status),
        "attempts": one.attempt,
        "wake_at": iso(one.wake_at),
        "expires_at": iso(one.expires_at),
        "started_at": iso(one.started_at),
        "finished_at": iso(one.finished_at),
        "reason": one.reason or None,
        "error": error_text(one.error, is_list=is_list),
        "idempotency_key": f"{one.event_id}:{one.due_at.isoformat()}",
    }


def with_attempts(
    one: Occurrence, attempts: Sequence[Attempt], *, is_list: bool = True
) -> dict[str, Any]:
    """Show an occurrence and the attempts at it."""
    return {
        **brief(one, is_list=is_list),
        "history": [_attempt(attempt, is_list) for attempt in attempts],
    }


def whole(one: Occurrence, attempts: Sequence[Attempt]) -> dict[str, Any]:
    """Show all of an occurrence."""
    return {**with_attempts(one, attempts, is_list=False), "payload": one.payload}


def entry(one: LedgerEntry) -> dict[str, Any]:
    """Show one fact."""
    return {
        "id": one.id,
        "at": one.at.isoformat(),
        "fact": one.fact,
        "event_id": str(one.event_id),
        "occurrence_id": str(one.occurrence_id) if one.occurrence_id else None,
        "attempt": one.attempt,
        "actor": one.actor,
        "data": one.data,
    }


def iso(moment: datetime | None) -> str | None:
    """Write an instant, if there is one."""
    return moment.isoformat() if moment else None


def error_text(error: str, *, is_list: bool) -> str | None:
    """Give an error, in a list its first line; None where there is none."""
    return (error.partition("\n")[0] if is_list else error) or None


def _attempt(one: Attempt, is_list: bool) -> dict[str, Any]:
    return {
        "attempt": one.number,
        "outcome": one.outcome,
        "began_at": iso(one.began_at),
        "ended_at": iso(one.ended_at),
        "error": error_text(one.error, is_list=is_list),
        "retry_at": iso(one.retry_at),
        "fenced_at": iso(one.fenced_at),
    }
