"""What the ledger tells of an event, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from duly.models import LedgerEntry, Occurrence
from duly.store.facts import ENGINE, THE_LEDGER
from duly.store.seals import written_since


def told(using: str, event_id: UUID, last: int) -> list[str]:
    """Give the last facts about an event and its occurrences, oldest first, a line each."""
    entries = LedgerEntry.objects.using(using).filter(event_id=event_id).order_by("-id")[:last]
    return [line(entry) for entry in reversed(entries)]


def of_occurrence(using: str, occurrence_id: UUID) -> list[str]:
    """Give the facts about one occurrence, oldest first, a line each."""
    row = Occurrence.objects.using(using).filter(id=occurrence_id)
    found = row.values_list("event_id", "created_at").first()
    if found is None:
        return []
    event_id, created_at = found
    # By the event, which is indexed; an occurrence on its own is not. And of an event that fires
    # for years, only what was written since this one was born.
    entries = LedgerEntry.objects.using(using).filter(
        event_id=event_id, occurrence_id=occurrence_id, id__gt=written_since(using, created_at)
    )
    return [line(entry) for entry in entries.order_by("id")]


def of_key(using: str, key_id: UUID) -> list[str]:
    """Give the facts about an API key, oldest first, a line each."""
    entries = LedgerEntry.objects.using(using).filter(event_id=THE_LEDGER)
    return [line(entry) for entry in entries.filter(data__key=str(key_id)).order_by("id")]


def line(entry: LedgerEntry) -> str:
    """Say one fact in words, with when and by whom."""
    data = entry.data or {}
    by = f" by {entry.actor}" if entry.actor and entry.actor != ENGINE else ""
    attempt = f", attempt {entry.attempt}" if entry.attempt else ""
    said = _WORDS.get(entry.fact, "").format_map(_Blank(data))
    known = ("reason", "note", "error", "wake_at", "trace_id")
    more = "; ".join(f"{name} {_first_line(data[name])}" for name in known if data.get(name))
    told = f"{entry.at:%Y-%m-%d %H:%M:%S} UTC  {entry.fact}{attempt}{by}"
    return told + (f": {said}" if said else "") + (f" ({more})" if more else "")


class _Blank(dict[str, Any]):
    """What an entry does not say is left blank; instants are shortened."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        super().__init__({name: _short(value) for name, value in data.items()})

    def __missing__(self, key: str) -> str:
        return "?"


def _short(value: object) -> str:
    if value is None:
        return "never again"
    text = _first_line(value)
    return text.replace("+00:00", "Z") if "T" in text else text


def _first_line(value: object) -> str:
    return str(value).partition("\n")[0]


_WORDS = {
    "scheduled": "due at {next_at}",
    "rescheduled": "from {before} to {next_at}",
    "rederived": "{wall_time} in {zone} was {before}, and is {next_at}",
    "resumed": "due at {next_at}",
    "amended": "other {fields}",
    "saga_started": "{saga} is {status}",
    "saga_signalled": "signal {signal}",
    "saga_moved": "{saga} is {status}",
    "due": "{wall_time} by the clock on the wall, {due_at}; then {next_at}",
    "missed": "{count} firings from {first} to {last}",
    "claimed": "handed out again, from {from}",
    "started": "a lease was taken, and the handler called",
    "succeeded": "the handler returned",
    "retried": "it failed, and is tried again",
    "snoozed": "it asked for another time",
    "died": "its attempts are used up",
    "fenced": "a result came too late and changed nothing: {outcome}",
    "released": "given back by an engine that stopped",
    "moved": "a firing of {moved_from} comes due at {due_at}",
    "backfilled": "made up for {due_at}",
    "noted": "{what}",
    "replayed": "it runs again, though it was {from}",
    "key_issued": "{service}/{prefix}, for {name}",
    "key_rotated": "{service}/{prefix} ends at {expires_at}, and {successor} takes its place",
    "key_revoked": "{service}/{prefix} is good for nothing any more",
}
