"""Checks of growth: what the volume calls for next, before it is missed.

The thresholds are where the next step begins to pay, on a small machine; see
docs/explanation/speed.md for what one engine does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet

from duly.doctor.findings import Finding, Patient, check, fail, ok, warn
from duly.ids import first_id
from duly.models import Engine, Occurrence, ScheduledEvent
from duly.policy.service import HandlerTarget
from duly.services import Registry
from duly.store import engines
from duly.store.partitions import is_partitioned

BUSY_HOUR = 1_000
VERY_BUSY_HOUR = 10_000
BUSY_MINUTE = 10_000
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
# Each looks at up to ten thousand entries of an index.
HOURS = 24
BUSY_HOURS_LOOKED_INTO = 2

MANY_DEAD_SHARE = 0.01
FAR_TOO_MANY_DEAD_SHARE = 0.1
MEAN_DELAY_SECONDS = 1.0
LONG_MEAN_DELAY_SECONDS = 60.0
# Each runs its handlers in an interpreter of its own.
ENOUGH_ENGINES = 4
# Of fewer a share says nothing.
LEAST = 50


@dataclass(frozen=True, slots=True)
class Load:
    """How many come due in the busiest hour and minute of yesterday and tomorrow."""

    hour: int
    """Nothing, BUSY_HOUR or VERY_BUSY_HOUR: what the busiest hour has reached."""
    has_busy_minute: bool
    """Whether a minute of such an hour has reached BUSY_MINUTE."""


@check("evolution")
def evolution(patient: Patient) -> Iterable[Finding]:
    """What the volume calls for: another database, more engines, other workers, partitions."""
    load = load_of(patient)
    return list(_called_for(patient, load)) or [ok(_said(load))]


def load_of(patient: Patient) -> Load:
    """Look at the hours of the last day and of the next, each in bounded work."""
    now, using = patient.now, patient.using
    hours = [now - (ago + 1) * HOUR for ago in range(HOURS)]
    hours += [now + ahead * HOUR for ahead in range(HOURS)]
    busy = [start for start in hours if _reaches(_due(using, now, start, HOUR), BUSY_HOUR)]
    very = [start for start in busy if _reaches(_due(using, now, start, HOUR), VERY_BUSY_HOUR)]
    reached = VERY_BUSY_HOUR if very else BUSY_HOUR if busy else 0
    has_busy_minute = any(
        _reaches(_due(using, now, start + minute * MINUTE, MINUTE), BUSY_MINUTE)
        for start in very[:BUSY_HOURS_LOOKED_INTO]
        for minute in range(60)
    )
    return Load(reached, has_busy_minute)


def _due(
    using: str, now: datetime, start: datetime, length: timedelta
) -> QuerySet[Occurrence] | QuerySet[ScheduledEvent]:
    """Find what was born in a time that is past, or is due first in one that is to come."""
    end = start + length
    if start < now:
        rows = Occurrence.objects.using(using)
        return rows.filter(id__gte=first_id(start), id__lt=first_id(end)).order_by("id")
    events = ScheduledEvent.objects.using(using)
    return events.filter(next_at__gte=start, next_at__lt=end).order_by("next_at")


def _reaches(rows: QuerySet[Occurrence] | QuerySet[ScheduledEvent], count: int) -> bool:
    return bool(rows.values_list("pk", flat=True)[count - 1 : count])


def _called_for(patient: Patient, load: Load) -> Iterator[Finding]:
    if load.hour and not patient.is_postgres:
        level = fail if load.hour >= VERY_BUSY_HOUR else warn
        yield level(
            f"{_said(load)}, on {patient.vendor}",
            "move to PostgreSQL: set DULY_DATABASE_URL, or DULY['DATABASE']",
        )
    firing = engines.alive(patient.using, patient.now)
    if load.hour and len(firing) == 1:
        yield warn(
            f"{_said(load)}, and one engine", "start a second one: 'duly run' on another host"
        )
    if load.hour >= VERY_BUSY_HOUR and 1 < len(firing) < ENOUGH_ENGINES and not _delegates():
        yield warn(
            f"{_said(load)}, and all handlers run in {len(firing)} engines",
            f"'duly run --processes {ENOUGH_ENGINES}', or a service with Celery's workers",
        )
    if load.has_busy_minute and patient.is_postgres and not is_partitioned(patient.using):
        yield warn(
            f"{_said(load)}, and tables that are not divided",
            "'duly partition', so that old months are dropped instead of deleted",
        )


def _delegates() -> bool:
    """Say whether a service is delivered to workers of its own."""
    services = Registry()
    services.refresh()
    return any(not isinstance(one.target, HandlerTarget) for one in services.registered())


def _said(load: Load) -> str:
    if load.has_busy_minute:
        return f"{BUSY_MINUTE:,} a minute or more"
    if load.hour:
        return f"{load.hour:,} an hour or more"
    return f"less than {BUSY_HOUR:,} an hour, yesterday and tomorrow"


@check("failures")
def failures(patient: Patient) -> Finding:
    """Which share of what came due has died."""
    seen = patient.pulse()
    found = f"{seen.share_dead:.2%} of {seen.born} died, {seen.retried} were retried"
    worst = max(seen.types, key=lambda one: one.dead, default=None)
    fix = f"most are {worst.event_type!r}: 'duly dead --type {worst.event_type}'" if worst else ""
    if seen.born >= LEAST and seen.share_dead >= FAR_TOO_MANY_DEAD_SHARE:
        return fail(found, f"{fix}; give its target a breaker")
    if seen.born >= LEAST and seen.share_dead >= MANY_DEAD_SHARE:
        return warn(found, f"{fix}; see its retry, and its timeout")
    return ok(found)


@check("delay")
def delay(patient: Patient) -> Finding:
    """How long after its instant an occurrence begins on the average."""
    seen = patient.pulse()
    found = f"{seen.mean:.3f} s on the average"
    if seen.mean < MEAN_DELAY_SECONDS:
        return ok(found)
    busy = [one for one in engines.alive(patient.using, patient.now) if _is_full(one)]
    fix = "more engines, or a higher DULY['CONCURRENCY']"
    if not busy:
        fix += "; their threads are not all busy now: see 'breakers', limits and 'overdue'"
    return (fail if seen.mean >= LONG_MEAN_DELAY_SECONDS else warn)(found, fix)


def _is_full(engine: Engine) -> bool:
    return engine.running >= engine.concurrency
