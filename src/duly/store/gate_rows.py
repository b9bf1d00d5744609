"""The rows of gates: locked in the order of their names, read, counted and saved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, QuerySet

from duly.models import Gate as GateRow
from duly.models import GateEntry, Occurrence
from duly.policy.breaker import BreakerState, BreakerStatus
from duly.policy.gates import Gate, Terms
from duly.policy.states import OccurrenceStatus
from duly.store.turns import transaction_in_turn

# At once, so that a crowd at the gates is not locked for long.
SWEPT = 1000
IDLE = timedelta(hours=1)
_LIVE = (OccurrenceStatus.PENDING, OccurrenceStatus.QUEUED, OccurrenceStatus.RUNNING)
_BREAKER = tuple(BreakerState.__dataclass_fields__)


class LockedGates(dict[str, Gate]):
    """Gates by their names, whose rows are locked until the transaction ends."""

    def __init__(self, rows: Iterable[GateRow], terms: Mapping[str, Terms]) -> None:
        super().__init__(
            (row.name, Gate(row.name, terms[row.name], state_of(row), row.full_at)) for row in rows
        )
        self._found = {name: (gate.breaker, gate.full_at) for name, gate in self.items()}

    def save(self, using: str, now: datetime) -> None:
        """Write down what has become of them, of those that have changed."""
        for name, gate in self.items():
            if (gate.breaker, gate.full_at) != self._found[name]:
                columns = {column: getattr(gate.breaker, column) for column in _BREAKER}
                row = GateRow.objects.using(using).filter(name=name)
                row.update(full_at=gate.full_at, updated_at=now, **columns)


def locked(using: str, terms: Mapping[str, Terms], now: datetime) -> LockedGates:
    """Lock the rows of gates, making those that are not there yet."""
    rows = GateRow.objects.using(using)
    names = sorted(terms)
    asked = rows.filter(name__in=names).select_for_update().order_by("name")
    found = list(asked)
    while len(found) < len(names):
        # One that nobody waits at may be removed between both.
        rows.bulk_create(
            [GateRow(name=name, updated_at=now) for name in names], ignore_conflicts=True
        )
        found = list(asked.all())
    return LockedGates(found, terms)


def state_of(row: GateRow) -> BreakerState:
    """Read the state of a breaker from its row."""
    values = {name: getattr(row, name) for name in _BREAKER}
    return BreakerState(**values | {"status": BreakerStatus(row.status)})


def count(using: str, gates: Mapping[str, Gate]) -> None:
    """Count what is under way at each gate that has a limit, and forget what is not any more."""
    limited = [name for name, gate in gates.items() if gate.limit is not None]
    if not limited:
        return
    entries = list(entries_in(using).filter(gate__in=limited, state=GateEntry.UNDER_WAY))
    live = {
        id_: attempt + (status == OccurrenceStatus.QUEUED)
        for id_, status, attempt in Occurrence.objects.using(using)
        .filter(
            id__in=[entry.occurrence_id for entry in entries],
            status__in=[OccurrenceStatus.QUEUED, OccurrenceStatus.RUNNING],
        )
        .values_list("id", "status", "attempt")
    }
    over = [entry.pk for entry in entries if live.get(entry.occurrence_id) != entry.attempt]
    if over:
        entries_in(using).filter(pk__in=over).delete()
    counted = Counter(entry.gate for entry in entries if entry.pk not in set(over))
    for name in limited:
        gates[name].under_way = counted[name]


def sweep(using: str, now: datetime) -> int:
    """Remove what was left at gates by occurrences that ended elsewhere, as by a cancellation.

    Gives how many entries were removed. The rows of gates that there may be one for each entity
    go as well, once nobody has been there for an hour.
    """
    live = Occurrence.objects.using(using).filter(status__in=_LIVE, id=OuterRef("occurrence_id"))
    over_by_now = entries_in(using).filter(~Exists(live)).values_list("pk", flat=True)
    swept = 0
    while over := list(over_by_now[:SWEPT]):
        with transaction_in_turn(using):
            swept += entries_in(using).filter(pk__in=over).delete()[0]
    there = entries_in(using).filter(gate=OuterRef("name"))
    left = GateRow.objects.using(using).filter(name__startswith="key:", updated_at__lt=now - IDLE)
    while names := list(left.filter(~Exists(there)).values_list("name", flat=True)[:SWEPT]):
        with transaction_in_turn(using):
            left.filter(~Exists(there), name__in=names).delete()
    return swept


def entries_in(using: str) -> QuerySet[GateEntry, GateEntry]:
    """Give every entry of this database."""
    return GateEntry.objects.using(using).all()
