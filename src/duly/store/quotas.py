"""Statements on quotas: tokens taken from a bucket that all processes share, events counted.

A taking is one UPDATE of one row, by its primary key: it takes what is there, or nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connections
from django.db.models import F

from duly.models import QuotaUse, ScheduledEvent
from duly.policy.quota import Taking
from duly.store.turns import statement_in_turn

# Named columns and a condition on them in one statement are what makes it safe: two that take
# at once take one after the other. Both PostgreSQL and SQLite (3.35) know RETURNING.
_TAKE = """
UPDATE duly_quotause
SET full_at_us = CASE WHEN full_at_us > %(now)s THEN full_at_us ELSE %(now)s END + %(cost)s,
    pending = pending + %(events)s
WHERE name = %(name)s AND full_at_us <= %(latest)s
  AND pending <= %(room)s AND recount_at_us >= %(fresh)s
RETURNING full_at_us, pending
"""
ANY = 2**62
"""A limit that nothing reaches."""


@dataclass(frozen=True, slots=True)
class Used:
    """What is used of a quota; instants are in microseconds since 1970."""

    full_at_us: int
    """When its bucket is full again."""
    pending: int
    """How many events are pending at most."""
    recount_at_us: int = 0
    """When they may be counted again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What is taken at once."""

    tokens: Taking
    events: int = 0
    """How many more are pending then."""
    room: int = ANY
    """How many may be pending before."""
    fresh_us: int = 0
    """When their count may have been due at the earliest, or it is too old to go by."""


def take(using: str, name: str, share: Share, now_us: int) -> Used | None:
    """Take tokens, and room for events; None where either is not there, and nothing changes."""
    given: dict[str, str | int] = {
        "name": name,
        "now": now_us,
        "cost": share.tokens.cost,
        "latest": share.tokens.latest,
        "events": share.events,
        "room": share.room,
        "fresh": share.fresh_us,
    }
    with statement_in_turn(using), connections[using].cursor() as cursor:
        cursor.execute(_TAKE, given)
        row = cursor.fetchone()
    return None if row is None else Used(*row)


def used(using: str, name: str) -> Used | None:
    """Read what is used; None: nothing ever was."""
    row = QuotaUse.objects.using(using).filter(name=name).first()
    return None if row is None else Used(row.full_at_us, row.pending, row.recount_at_us)


def begin(using: str, name: str) -> None:
    """Make the row of a quota of which nothing is used, unless another process has."""
    rows = QuotaUse.objects.using(using)
    rows.bulk_create([QuotaUse(name=name)], ignore_conflicts=True)


def claim_recount(using: str, name: str, seen: Used, until_us: int) -> bool:
    """Take it on to count; False: another process has, and nobody else does until then."""
    rows = QuotaUse.objects.using(using).filter(name=name, recount_at_us=seen.recount_at_us)
    return bool(rows.update(recount_at_us=until_us))


def correct(using: str, name: str, by: int, recount_at_us: int) -> None:
    """Put a count in place of an estimate; what was let in meanwhile is added to it."""
    QuotaUse.objects.using(using).filter(name=name).update(
        pending=F("pending") + by, recount_at_us=recount_at_us
    )


def count_pending(using: str, service: str, most: int) -> int:
    """Count the events of a service that are yet to fire; stops one above `most`."""
    rows = ScheduledEvent.objects.using(using).filter(service=service, next_at__isnull=False)
    return rows.order_by()[: most + 1].count()
