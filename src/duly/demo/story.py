"""What the demo schedules, and what it says."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import connections, transaction

from duly import clock, scheduling
from duly.civil import zones
from duly.civil.at import At
from duly.civil.explain import explain
from duly.civil.instants import EARLIEST
from duly.conf import config
from duly.demo import appointments
from duly.demo.verdict import Verdict, acknowledge, judge, quantile
from duly.intake import NewEvent
from duly.models import LedgerEntry, Occurrence, ScheduledEvent
from duly.policy.outcome import LeaseLost
from duly.store import facts

# How the reminders that are explained are resolved, and in which zone.
EXAMPLES = (
    ("gap", "Europe/Berlin"),
    ("overlap", "America/New_York"),
    ("gap", "Australia/Lord_Howe"),
)


def database_in_use() -> bool:
    """Say whether anything was ever scheduled here."""
    return ScheduledEvent.objects.using(config().database).exists()


def opening() -> str:
    """Say on what the demo runs."""
    database = connections[config().database].display_name
    return f"duly demo on {database}, time zones from tzdata {zones.current().release}."


def schedule_appointments(say: Callable[[str], None]) -> None:
    """Schedule the reminder and the follow-up of every appointment in the input."""
    rows = list(appointments.read())
    began = time.monotonic()
    now = clock.now(config().database)
    asked = [(event, row) for row in rows for event in (row.reminder(), row.follow_up())]
    new = [event for event, row in asked if row.reminder_at > now]
    if past := len(asked) - len(new):
        say(f"Left out {past} reminders and follow-ups that lie in the past by now.")
    with transaction.atomic(config().database):
        stored = scheduling.schedule_events(new, actor="demo")
    seconds = time.monotonic() - began
    used = {row.resource_timezone for row in rows} | {row.patient_timezone for row in rows}
    first = min(event.next_at for event in stored if event.next_at)
    say(
        f"Scheduled {len(stored)} reminders and follow-ups of {len(rows)} appointments "
        f"in {len(used)} time zones in {seconds:.1f} s; the first is due {first:%Y-%m-%d}."
    )


def schedule_due_now(
    directory: Path, first: datetime, seconds: float, count: int, dice: random.Random
) -> None:
    """Schedule check-ins at random instants from `first` on, and write down that it was done.

    Written down only once the transaction has committed: that is what acknowledged means.
    """
    rows = list(appointments.read())
    using = config().database
    new = []
    for number in range(count):
        row = dice.choice(rows)
        moment = first + timedelta(seconds=dice.uniform(0, seconds))
        new.append(
            NewEvent(
                "appointment_check_in",
                At.instant(moment, row.resource_timezone),
                payload={"clinic": row.clinic, "city": row.city},
                entity=("appointment", row.appointment_id),
                key=f"check-in:{number}",
            )
        )
    with transaction.atomic(using):
        stored = scheduling.schedule_events(new, actor="demo")
    acknowledge(directory, (key_of(event.id, event.next_at) for event in stored))


def held_by_holder() -> Counter[str]:
    """Count the occurrences that each engine has claimed and not yet ended."""
    live = Occurrence.objects.using(config().database).filter(holder__isnull=False)
    return Counter(str(holder) for holder in live.values_list("holder", flat=True))


def verdict(directory: Path) -> Verdict:
    """Judge the run by its logs; the ledger only says which events were rescued."""
    return judge(directory, rescued())


def rescued() -> list[str]:
    """Give the keys of what was taken over from an engine that was killed."""
    using = config().database
    lost = LedgerEntry.objects.using(using).filter(
        fact="retried", data__error__startswith=LeaseLost.__name__
    )
    handed_on = LedgerEntry.objects.using(using).filter(fact=facts.CLAIMED, data__from="queued")
    ids = {
        id_
        for entries in (lost, handed_on)
        for id_ in entries.values_list("occurrence_id", flat=True)
        if id_ is not None
    }
    rows = Occurrence.objects.using(using).filter(id__in=ids).values_list("event_id", "due_at")
    return [key_of(event_id, due_at) for event_id, due_at in rows]


def verdict_lines(verdict: Verdict, killed_at: float) -> Iterable[str]:
    """Say the verdict in words."""
    yield ""
    yield "Verdict, from the log that the handlers wrote themselves:"
    yield f"  fired       {verdict.fired} of {verdict.acknowledged}"
    yield f"  lost        {verdict.lost}"
    yield f"  early       {verdict.early}"
    same = ", each under the key of its first" if verdict.duplicates else ""
    yield f"  duplicates  {verdict.duplicates}{same}"
    yield f"  lateness    {_lateness(verdict.on_time)}"
    yield (
        f"  rescued     {verdict.rescued} events of the process killed after {killed_at:.1f} s"
        + (f": {_lateness(verdict.late)}" if verdict.late else "")
    )
    yield f"  {'PASSED: nothing lost.' if verdict.passed else 'FAILED'}"


def verdict_json(verdict: Verdict, killed_at: float) -> dict[str, Any]:
    """Give the verdict as data; lateness in milliseconds."""
    return {
        "passed": verdict.passed,
        "acknowledged": verdict.acknowledged,
        "fired": verdict.fired,
        "lost": verdict.lost,
        "early": verdict.early,
        "phantom": verdict.phantom,
        "duplicates": verdict.duplicates,
        "rescued": verdict.rescued,
        "killed_after_seconds": round(killed_at, 2),
        "lateness_ms": _milliseconds(verdict.on_time),
        "rescued_lateness_ms": _milliseconds(verdict.late),
    }


def examples() -> Iterable[str]:
    """Explain one reminder in a gap, one in an overlap, and one across a half-hour change."""
    yield ""
    yield "Three of the reminders that wait in the database, and why they fire when they do:"
    rows = [(row, row.reminder_rule.next(EARLIEST)) for row in appointments.read()]
    for resolution, zone in EXAMPLES:
        row, due = next(
            (row, due)
            for row, due in rows
            if due and (due.resolution, due.zone) == (resolution, zone)
        )
        yield f"\n{row.clinic}, {row.start} {row.resource_timezone} ({row.note})"
        told = explain(due, row.reminder_rule, zones=[row.resource_timezone])
        yield from (f"  {sentence}" for sentence in told.sentences)


def key_of(event_id: object, due_at: datetime | None) -> str:
    """Give the idempotency key under which a handler sees an event."""
    assert due_at is not None
    return f"{event_id}:{due_at.isoformat()}"


def _milliseconds(ascending: tuple[float, ...]) -> dict[str, float]:
    shares = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {name: round(1000 * quantile(ascending, share), 1) for name, share in shares.items()}


def _lateness(ascending: tuple[float, ...]) -> str:
    return ", ".join(f"{name} {value:g} ms" for name, value in _milliseconds(ascending).items())
