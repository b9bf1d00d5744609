"""Notices: which groups of failures there are, and whose turn it is to tell of them.

All of it in one transaction that holds one row: of many engines one looks, counts each failure
once, and has what is to be told to itself for a while.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F

from duly.models import LedgerEntry, Notice, Stamp
from duly.policy.notify import Kind, signature
from duly.store import facts, stamps
from duly.store.facts import THE_LEDGER
from duly.store.locks import unlocked
from duly.store.turns import transaction_in_turn

# Who tells of something has it to himself for so long: longer than any channel takes.
CLAIM = timedelta(minutes=2)
FIRST_RETRY_SECONDS = 30.0
LONGEST_RETRY = timedelta(hours=1)
FORGET_AFTER = timedelta(days=30)
LONGEST_ABOUT = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Something that failed."""

    kind: Kind
    about: str
    """In words, on one line."""
    at: datetime
    service: str = ""
    event_type: str = ""
    group: str = ""
    """What it has in common with others of its group, beside the above; "" is what `about` says,
    without its numbers."""
    is_state: bool = False
    """It is so at this moment: found again with the next look, it is the same and not another."""

    @property
    def key(self) -> str:
        """The digest of its group."""
        cause = self.group or signature(self.about)
        parts = (self.kind, self.service, self.event_type, cause)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@dataclass(slots=True)
class Turn:
    """The turn to look; what is put into `data` is there for whoever has the next one."""

    using: str
    now: datetime
    since: datetime | None
    """When somebody last looked; None: nobody ever did."""
    data: dict[str, Any]

    def add(self, incidents: Iterable[Incident]) -> None:
        """Count incidents to their groups."""
        groups: dict[str, list[Incident]] = {}
        for incident in incidents:
            groups.setdefault(incident.key, []).append(incident)
        for key, of_group in groups.items():
            self._add(key, of_group)

    def take(self) -> list[Notice]:
        """Give the groups that may be told of now; they are nobody else's for a while."""
        rows = Notice.objects.using(self.using).filter(count__gt=0, next_at__lte=self.now)
        taken = list(rows.order_by("kind", "first_at"))
        rows.filter(key__in=[row.key for row in taken]).update(next_at=self.now + CLAIM)
        return taken

    def _add(self, key: str, incidents: Sequence[Incident]) -> None:
        last = max(incidents, key=lambda one: one.at)
        count = 1 if last.is_state else len(incidents)
        row = Notice.objects.using(self.using).filter(key=key)
        about = last.about[:LONGEST_ABOUT]
        known = row.values_list("count", flat=True).first()
        if known is None:
            first = min(one.at for one in incidents)
            Notice.objects.using(self.using).create(
                key=key,
                kind=last.kind.value,
                service=last.service,
                event_type=last.event_type,
                about=about,
                count=count,
                first_at=first,
                last_at=last.at,
                next_at=self.now,
            )
            return
        more = 0 if last.is_state and known else count
        row.update(count=F("count") + more, about=about, last_at=last.at)
        if not known:
            row.update(first_at=min(one.at for one in incidents))


@contextmanager
def turn(using: str, now: datetime, every: timedelta) -> Iterator[Turn | None]:
    """Take the turn to look; None where another had it less than `every` ago, or has it now.

    What is done within is one transaction.
    """
    rows = Stamp.objects.using(using).filter(name=stamps.NOTIFIED)
    known = rows.values_list("at", flat=True).first()
    if known is not None and known > now - every:
        yield None
        return
    with transaction_in_turn(using):
        if known is None:
            begun = Stamp(name=stamps.NOTIFIED, data={}, at=now - every)
            Stamp.objects.using(using).bulk_create([begun], ignore_conflicts=True)
        row = unlocked(rows).first()
        if row is None or row.at > now - every:
            yield None
            return
        had = Turn(using, now, None if known is None else row.at, dict(row.data))
        yield had
        rows.update(at=now, data=had.data)


def told(using: str, notices: Sequence[Notice], now: datetime, interval: timedelta) -> None:
    """Say that these were told of: nothing more of them for an interval."""
    for notice in notices:
        # What came meanwhile is told with the next.
        Notice.objects.using(using).filter(key=notice.key).update(
            count=F("count") - notice.count, told_at=now, failures=0, next_at=now + interval
        )
    Notice.objects.using(using).filter(count=0, last_at__lt=now - FORGET_AFTER).delete()


def not_told(using: str, notices: Sequence[Notice], now: datetime) -> None:
    """Say that these could not be told of: they are tried again, less and less often."""
    for notice in notices:
        wait = FIRST_RETRY_SECONDS * 2 ** min(notice.failures, 10)
        Notice.objects.using(using).filter(key=notice.key).update(
            failures=F("failures") + 1,
            next_at=now + min(timedelta(seconds=wait), LONGEST_RETRY),
        )


def record(using: str, now: datetime, fact: str, data: dict[str, Any]) -> None:
    """Tell the ledger that somebody was told, or could not be."""
    entry = facts.entry(fact, now, THE_LEDGER, data=data)
    LedgerEntry.objects.using(using).bulk_create([entry])
