"""What the ledger tells of an event, in words."""

from __future__ import annotations

from uuid import UUID

from duly.models import LedgerEntry, Occurrence


def told(using: str, event_id: UUID, last: int) -> list[str]:
    """Give the last facts about an event and its occurrences, oldest first, a line each."""
    entries = LedgerEntry.objects.using(using).filter(event_id=event_id).order_by("-id")[:last]
    return [_line(entry) for entry in reversed(entries)]


def of_occurrence(using: str, occurrence_id: UUID) -> list[str]:
    """Give the facts about one occurrence, oldest first, a line each."""
    entries = LedgerEntry.objects.using(using)
    event = Occurrence.objects.using(using).filter(id=occurrence_id).values("event_id")
    # By the event, which is indexed; an occurrence on its own is not.
    facts = entries.filter(event_id__in=event, occurrence_id=occurrence_id).order_by("id")
    return [_line(entry) for entry in facts]


def _line(entry: LedgerEntry) -> str:
    attempt = f", attempt {entry.attempt}" if entry.attempt else ""
    by = f" by {entry.actor}" if entry.actor else ""
    data = entry.data or {}
    known = ("before", "next_at", "due_at", "wake_at", "reason", "note", "error")
    more = "; ".join(f"{name} {_first_line(data[name])}" for name in known if data.get(name))
    return f"{entry.at:%Y-%m-%d %H:%M:%S} UTC  {entry.fact}{attempt}{by}" + (
        f" ({more})" if more else ""
    )


def _first_line(value: object) -> str:
    return str(value).partition("\n")[0]
