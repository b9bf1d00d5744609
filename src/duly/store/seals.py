"""The ledger, sealed: an edited, missing or inserted row is found.

Source of the idea: the hash chain of a log, as in RFC 9162 and git, over ranges instead of
single rows, so that no writer waits for another.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction

from duly.models import LedgerEntry, LedgerSeal

# A row is visible this long after it was written, but for transactions that take longer;
# what these bring later is late, and looked for again for a while.
SETTLE = timedelta(seconds=60)
LATE_WITHIN = timedelta(hours=24)
LARGEST_RANGE = 5000
_COLUMNS = ("id", "at", "event_id", "occurrence_id", "fact", "attempt", "actor", "data")
_NOTHING = "0" * 64


def seal(using: str, now: datetime) -> LedgerSeal | None:
    """Seal what was written up to a minute ago and is not sealed yet, at most one range.

    Gives the seal; None where there is nothing to seal, or another process has sealed it.
    """
    seals = LedgerSeal.objects.using(using)
    before = seals.order_by("-last").first()
    start = before.last + 1 if before else 1
    written = LedgerEntry.objects.using(using).filter(id__gte=start, at__lt=now - SETTLE)
    rows = list(written.order_by("id").values_list(*_COLUMNS)[:LARGEST_RANGE])
    if not rows:
        return None
    late = _late_rows(using, now)
    last = rows[-1][0]
    found = LedgerSeal(
        at=now,
        first=start,
        last=last,
        rows=len(rows),
        gaps=_gaps(start, last, [row[0] for row in rows]),
        late=[row[0] for row in late],
        digest=_digest(before.digest if before else _NOTHING, [*late, *rows]),
    )
    try:
        with transaction.atomic(using):
            found.save(using=using, force_insert=True)
    except IntegrityError:
        return None
    return found


def verify_seals(using: str) -> Iterator[str]:
    """Compute every seal again; gives what does not fit, in words."""
    digest, expected = _NOTHING, 1
    covered_later = _late_ids(using)
    for one in LedgerSeal.objects.using(using).order_by("first").iterator(chunk_size=100):
        if one.first != expected:
            yield f"seal {one.id}: begins at {one.first}, not at {expected}: a seal is missing"
        rows = [
            row
            for row in _rows(using, range(one.first, one.last + 1))
            if row[0] not in covered_later
        ]
        late = _rows(using, one.late)
        gaps = {id_ for low, high in one.gaps for id_ in range(low, high + 1)}
        yield from _compared(one, rows, gaps)
        digest = _digest(digest, [*late, *rows])
        if digest != one.digest:
            yield f"seal {one.id}: rows {one.first} to {one.last} are not as they were sealed"
        # Go on from what was sealed, so that one edit is one finding.
        digest, expected = one.digest, one.last + 1


def _compared(one: LedgerSeal, rows: Sequence[Any], gaps: set[int]) -> Iterator[str]:
    there = {row[0] for row in rows}
    if missing := [
        id_ for id_ in range(one.first, one.last + 1) if id_ not in there and id_ not in gaps
    ]:
        yield f"seal {one.id}: row {missing[0]} is gone, of {len(missing)}"
    if inserted := sorted(there & gaps):
        yield f"seal {one.id}: row {inserted[0]} was not there, of {len(inserted)}"


def _late_rows(using: str, now: datetime) -> list[tuple[Any, ...]]:
    """Find rows that have come into gaps of ranges sealed before."""
    known = _late_ids(using)
    recent = LedgerSeal.objects.using(using).filter(at__gt=now - LATE_WITHIN).order_by("first")
    wanted = [
        id_
        for gaps in recent.values_list("gaps", flat=True)
        for low, high in gaps
        for id_ in range(low, high + 1)
        if id_ not in known
    ]
    return _rows(using, wanted)


def _late_ids(using: str) -> set[int]:
    lists = LedgerSeal.objects.using(using).exclude(late=[]).values_list("late", flat=True)
    return {id_ for late in lists for id_ in late}


def _rows(using: str, ids: Sequence[int]) -> list[tuple[Any, ...]]:
    rows = LedgerEntry.objects.using(using).order_by("id")
    if isinstance(ids, range):
        rows = rows.filter(id__gte=ids.start, id__lt=ids.stop)
        return list(rows.values_list(*_COLUMNS))
    found: list[tuple[Any, ...]] = []
    for start in range(0, len(ids), 500):
        some = rows.filter(id__in=list(ids[start : start + 500]))
        found += some.values_list(*_COLUMNS)
    return found


def _gaps(first: int, last: int, ids: Iterable[int]) -> list[list[int]]:
    """Give the ids of a range that are not among those given, as pairs."""
    gaps, expected = [], first
    for id_ in [*ids, last + 1]:
        if id_ > expected:
            gaps.append([expected, id_ - 1])
        expected = id_ + 1
    return gaps


def _digest(before: str, rows: Iterable[tuple[Any, ...]]) -> str:
    digest = hashlib.sha256(before.encode())
    for row in rows:
        id_, at, *rest = row
        text = json.dumps(
            [id_, at.isoformat(), *(None if one is None else one for one in rest)],
            sort_keys=True,
            default=str,
        )
        digest.update(text.encode())
    return digest.hexdigest()
