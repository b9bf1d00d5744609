"""The ledger, sealed: an edited, missing or inserted row is found.

Source of the idea: the hash chain of a log, as in RFC 9162 and git, over ranges instead of
single rows, so that no writer waits for another. Within a range the digests of the rows are
added up (Bellare and Micciancio, "A New Paradigm for Collision-Free Hashing", 1997), so that a
row can be pruned by adding its digest to what is gone: the chain stays as it is.
"""

from __future__ import annotations

import hashlib
import json
import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from duly.models import LedgerEntry, LedgerSeal

# A row is visible this long after it was written, but for transactions that take longer;
# what these bring later is late, and looked for again for a while.
SETTLE = timedelta(seconds=60)
LATE_WITHIN = timedelta(hours=24)
LARGEST_RANGE = 5000
# A millisecond or two of work: threads that wait for the interpreter wait no longer.
SLICE = 20
COLUMNS = ("id", "at", "event_id", "occurrence_id", "fact", "attempt", "actor", "data")
Row = tuple[Any, ...]
"""The columns of one ledger entry."""
_NOTHING = "0" * 64
# Wide enough that sums of chosen rows cannot be made to meet (Wagner, "A Generalized
# Birthday Problem", 2002): some 2^90 steps, where 256 bits would take 2^32.
_BYTES = 256
_MODULUS = 1 << (8 * _BYTES)


def seal(
    using: str, now: datetime, rest: Callable[[float], object] | None = None
) -> LedgerSeal | None:
    """Seal what was written up to a minute ago and is not sealed yet, at most one range.

    rest: called with the seconds of processor time that each slice of a few rows has taken, to
        let other threads run; None reads them all at once.

    Gives the seal; None where there is nothing to seal, or another process has sealed it.
    """
    seals = LedgerSeal.objects.using(using)
    before = seals.order_by("-last").first()
    start = before.last + 1 if before else 1
    settled = now - SETTLE
    unsealed = LedgerEntry.objects.using(using).filter(id__gte=start)
    written = unsealed.filter(at__lt=settled)
    # Ids and times of two writers are not quite in one order. Up to the first row that is too
    # young, for one within the range would be taken for inserted until the next seal.
    young = unsealed.filter(at__gte=settled, at__lte=now).order_by("id")
    if (end := young.values_list("id", flat=True).first()) is not None:
        written = written.filter(id__lt=end)
    ids: list[int] = []
    total = 0
    for rows in _slices(written.order_by("id").values_list(*COLUMNS), rest):
        ids += [row[0] for row in rows]
        total += digests(rows)
    if not ids:
        return None
    late = _late_rows(using, now)
    last = ids[-1]
    found = LedgerSeal(
        at=now,
        first=start,
        last=last,
        rows=len(ids),
        gaps=_gaps(start, last, ids),
        late=[row[0] for row in late],
        total=f"{(total + digests(late)) % _MODULUS:x}",
    )
    found.digest = _chained(before.digest if before else _NOTHING, found)
    try:
        with transaction.atomic(using):
            found.save(using=using, force_insert=True)
    except IntegrityError:
        return None
    return found


def _slices(
    rows: QuerySet[LedgerEntry, Row], rest: Callable[[float], object] | None
) -> Iterator[list[Row]]:
    """Give the first of them, one range at most, in the order of their ids."""
    size = LARGEST_RANGE if rest is None else SLICE
    after, left = 0, LARGEST_RANGE
    while left:
        began = time.thread_time()
        some = list(rows.filter(id__gt=after)[: min(size, left)])
        if some:
            yield some
        if len(some) < size:
            return
        after, left = some[-1][0], left - len(some)
        if rest is not None:
            rest(time.thread_time() - began)


def verify_seals(using: str) -> Iterator[str]:
    """Compute every seal again; gives what does not fit, in words."""
    seals = LedgerSeal.objects.using(using).order_by("first").iterator(chunk_size=100)
    yield from _verified(using, seals, _NOTHING, 1)


def verify_newest(using: str, count: int) -> Iterator[str]:
    """Compute the newest `count` seals again; gives what does not fit, in words."""
    newest = list(LedgerSeal.objects.using(using).order_by("-first")[: count + 1])[::-1]
    if len(newest) <= count:
        yield from _verified(using, newest, _NOTHING, 1)
    else:
        yield from _verified(using, newest[1:], newest[0].digest, newest[0].last + 1)


def behind(using: str, now: datetime) -> timedelta:
    """Say for how long there has been something to seal that is not sealed; zero: there is none."""
    last = LedgerSeal.objects.using(using).order_by("-last").values_list("last", flat=True).first()
    unsealed = LedgerEntry.objects.using(using).filter(id__gt=last or 0).order_by("id")
    oldest = unsealed.values_list("at", flat=True).first()
    return timedelta(0) if oldest is None else max(now - oldest - SETTLE, timedelta(0))


def _verified(using: str, seals: Iterable[LedgerSeal], before: str, expected: int) -> Iterator[str]:
    covered_later = late_seals(using)
    for one in seals:
        if one.first != expected:
            yield f"seal {one.id}: begins at {one.first}, not at {expected}: a seal is missing"
        ranged = _rows(using, range(one.first, one.last + 1))
        rows = [row for row in ranged if row[0] not in covered_later]
        late = _rows(using, one.late)
        yield from _compared(
            one, {row[0] for row in rows}, len(one.late) - len(late), covered_later
        )
        total = (digests([*late, *rows]) + int(one.pruned_total, 16)) % _MODULUS
        if f"{total:x}" != one.total:
            yield f"seal {one.id}: rows {one.first} to {one.last} are not as they were sealed"
        if _chained(before, one) != one.digest:
            yield f"seal {one.id}: the seal itself is not as it was made"
        # Go on from what was sealed, so that one edit is one finding.
        before, expected = one.digest, one.last + 1


def covering(using: str, ids: Sequence[int]) -> dict[int, int]:
    """Say which seal covers each ledger entry, as id: id; what no seal covers is left out."""
    found: dict[int, int] = {}
    late = late_seals(using)
    wanted = sorted(id_ for id_ in ids if id_ not in late)
    if wanted:
        seals = LedgerSeal.objects.using(using).filter(first__lte=wanted[-1], last__gte=wanted[0])
        ranges = list(seals.order_by("first").values_list("first", "last", "id", "gaps"))
        firsts = [first for first, *_ in ranges]
        for id_ in wanted:
            place = bisect_right(firsts, id_) - 1
            if place >= 0 and id_ <= ranges[place][1] and not is_in(ranges[place][3], id_):
                found[id_] = ranges[place][2]
    return found | {id_: late[id_] for id_ in ids if id_ in late}


def written_since(using: str, moment: datetime) -> int:
    """Give an id of the ledger beneath which nothing was written since a moment.

    As far as that is sealed: 0 where no seal is as old.
    """
    # A row gets its id after its instant is read, and a seal covers what was visible: beyond
    # it lies all that was written since, but for clocks that do not quite agree.
    older = LedgerSeal.objects.using(using).filter(at__lt=moment - SETTLE).order_by("-first")
    last: int | None = older.values_list("last", flat=True).first()
    return last or 0


def written_until(using: str, moment: datetime) -> int:
    """Give an id of the ledger beyond which nothing was written before a moment; 0: none is known.

    As far as that is sealed. What was late by more than the seals wait for may lie beyond.
    """
    newer = LedgerSeal.objects.using(using).filter(at__gt=moment + SETTLE).order_by("first")
    last: int | None = newer.values_list("last", flat=True).first()
    return last or 0


def forget(using: str, rows: Iterable[Row], covered: Mapping[int, int]) -> None:
    """Tell the seals of rows that are pruned in this transaction; `covered` is of `covering`."""
    gone: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        gone[covered[row[0]]].append(row)
    # In the order of their ids: two who prune must not wait for each other.
    seals = LedgerSeal.objects.using(using).filter(id__in=gone).order_by("id")
    for one in seals.select_for_update():
        take_from(one, len(gone[one.id]), digests(gone[one.id]))
        one.save(using=using, update_fields=("pruned_total", "pruned"))


def take_from(one: LedgerSeal, count: int, gone: int | None) -> None:
    """Add rows to what is pruned of a seal: their digests' sum, or None for all that was left."""
    total = None if gone is None else (int(one.pruned_total, 16) + gone) % _MODULUS
    one.pruned_total = one.total if total is None else f"{total:x}"
    one.pruned += count


def late_seals(using: str) -> dict[int, int]:
    """Say which seal covers each row that came late, as id: id."""
    seals = LedgerSeal.objects.using(using).exclude(late=[]).values_list("id", "late")
    return {id_: seal_id for seal_id, late in seals for id_ in late}


def _compared(
    one: LedgerSeal, there: set[int], late_gone: int, covered_later: Mapping[int, int]
) -> Iterator[str]:
    missing = [
        id_
        for id_ in range(one.first, one.last + 1)
        if id_ not in there and id_ not in covered_later and not is_in(one.gaps, id_)
    ]
    if len(missing) + late_gone > one.pruned:
        if one.pruned:
            gone = len(missing) + late_gone
            yield f"seal {one.id}: {gone} rows are gone, and {one.pruned} were pruned"
        else:
            yield f"seal {one.id}: row {[*missing, *one.late][0]} is gone, of {len(missing)}"
    if inserted := sorted(id_ for id_ in there if is_in(one.gaps, id_)):
        yield f"seal {one.id}: row {inserted[0]} was not there, of {len(inserted)}"


def _late_rows(using: str, now: datetime) -> list[Row]:
    """Find rows that have come into gaps of ranges sealed before."""
    known = late_seals(using)
    recent = LedgerSeal.objects.using(using).filter(at__gt=now - LATE_WITHIN).order_by("first")
    wanted = [
        id_
        for gaps in recent.values_list("gaps", flat=True)
        for low, high in gaps
        for id_ in range(low, high + 1)
        if id_ not in known
    ]
    return _rows(using, wanted)


def _rows(using: str, ids: Sequence[int]) -> list[Row]:
    rows = LedgerEntry.objects.using(using).order_by("id")
    if isinstance(ids, range):
        rows = rows.filter(id__gte=ids.start, id__lt=ids.stop)
        return list(rows.values_list(*COLUMNS))
    found: list[Row] = []
    for start in range(0, len(ids), 500):
        some = rows.filter(id__in=list(ids[start : start + 500]))
        found += some.values_list(*COLUMNS)
    return found


def _gaps(first: int, last: int, ids: Iterable[int]) -> list[list[int]]:
    """Give the ids of a range that are not among those given, as pairs."""
    gaps, expected = [], first
    for id_ in [*ids, last + 1]:
        if id_ > expected:
            gaps.append([expected, id_ - 1])
        expected = id_ + 1
    return gaps


def is_in(gaps: Sequence[Sequence[int]], id_: int) -> bool:
    """Say whether an id is in one of some ascending pairs."""
    place = bisect_right(gaps, id_, key=lambda pair: pair[0]) - 1
    return place >= 0 and id_ <= gaps[place][1]


def digests(rows: Iterable[Row]) -> int:
    """Add up the digests of rows."""
    return sum(map(_row_digest, rows)) % _MODULUS


def _row_digest(row: Row) -> int:
    id_, at, *rest = row
    text = json.dumps([id_, at.isoformat(), *rest], sort_keys=True, default=str)
    return int.from_bytes(hashlib.shake_256(text.encode()).digest(_BYTES))


def _chained(before: str, one: LedgerSeal) -> str:
    text = json.dumps([before, one.first, one.last, one.rows, one.gaps, one.late, one.total])
    return hashlib.sha256(text.encode()).hexdigest()
