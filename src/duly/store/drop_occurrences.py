"""A month of occurrences, dropped at once; what must stay of it goes to DEFAULT.

What stays is found without any lock; the lock that keeps engines out is taken for the drop alone,
and there only what has changed meanwhile is looked at again. A change of an occurrence writes its
ledger entry after it, in the same transaction: so whoever was busy with the month before has
finished at `_fence`, and whoever came after has entries behind it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from duly.store.partitions import (
    LEDGER,
    OCCURRENCES,
    Part,
    lock,
    patiently,
    put_back,
    set_aside,
    short_locks,
    sql,
)
from duly.store.prune import ENDED, LEAVES_ENTRIES, Pruned, Terms, tell

# So many rows are moved within a few tenths of a second, in which engines wait. A month of
# which more stays is pruned row by row instead.
LARGEST_MOVE = 20_000

_OLD = """
WITH old AS MATERIALIZED (
    SELECT id, event_id, status = ANY(%(goes)s) AND finished_at < %(before)s AS goes FROM {part}
), staying AS MATERIALIZED (
    SELECT o.event_id FROM old o JOIN duly_scheduledevent e ON e.id = o.event_id
    WHERE NOT (e.status = ANY(%(ended)s) AND e.updated_at < %(before)s)
    UNION
    SELECT event_id FROM old WHERE NOT goes
    UNION
    SELECT o.event_id FROM old o JOIN duly_occurrence x ON x.event_id = o.event_id
    WHERE x.due_at >= %(until)s OR x.due_at < %(since)s
)
"""
# An event that stays is what the last of its facts says: that occurrence stays with it.
_STAYING = """
SELECT id FROM old WHERE NOT goes
UNION
SELECT old.id
FROM staying
CROSS JOIN LATERAL (
    SELECT occurrence_id FROM duly_ledgerentry l
    WHERE l.event_id = staying.event_id AND l.data ? 'next_at' ORDER BY l.id DESC LIMIT 1
) AS latest
JOIN old ON old.id = latest.occurrence_id
LIMIT %(limit)s
"""
_COUNTED = """
SELECT (SELECT count(*) FROM old), (SELECT count(DISTINCT event_id) FROM old)
       - (SELECT count(*) FROM staying)
"""


@dataclass(frozen=True, slots=True)
class OccurrenceDropper:
    """Drops partitions of occurrences, on the terms of one pruning."""

    using: str
    terms: Terms

    def drop(self, part: Part, now: datetime, actor: str) -> Pruned | None:
        """Drop a month; None where more of it stays than could be moved at once."""
        last = fence(self.using, part)
        staying = self._staying(part)
        if len(staying) > LARGEST_MOVE:
            return None
        return patiently(lambda: self._drop(part, staying, last, now, actor))

    def would_drop(self, part: Part) -> Pruned:
        """Say what `drop` would."""
        rows, events = self._read(part, _COUNTED)[0]
        return Pruned(occurrences=rows - len(self._staying(part)), events=events)

    def _drop(
        self, part: Part, staying: Collection[UUID], last: int, now: datetime, actor: str
    ) -> Pruned:
        with short_locks(self.using):
            lock(self.using, OCCURRENCES.table)
            lock(self.using, part.name)
            alive = f"SELECT id FROM {part.name} WHERE wake_at IS NOT NULL"
            touched = (
                f"SELECT o.id FROM {LEDGER.table} l JOIN {part.name} o ON o.id = l.occurrence_id"
                " WHERE l.id > %s"
            )
            changed = sql(self.using, f"{alive} UNION {touched}", [last])
            ids = list({*staying, *(id_ for (id_,) in changed)})
            rows = sql(self.using, f"SELECT count(*) FROM {part.name}")[0][0]
            kept = set_aside(self.using, OCCURRENCES, part.name, "id = ANY(%s)", [ids])
            stayed = sql(self.using, f"SELECT count(*) FROM pg_temp.{kept}")[0][0]
            sql(self.using, f"DROP TABLE {part.name}")
            put_back(self.using, OCCURRENCES, kept)
            pruned = Pruned(occurrences=rows - stayed)
            tell(
                self.using,
                self.terms,
                pruned,
                now,
                actor,
                partition=part.name,
                **{LEAVES_ENTRIES: True},
            )
        return pruned

    def _staying(self, part: Part) -> list[UUID]:
        return [id_ for (id_,) in self._read(part, _STAYING)]

    def _read(self, part: Part, tail: str) -> list[tuple[Any, ...]]:
        parameters = {
            "goes": self.terms.goes,
            "ended": list(ENDED),
            "before": self.terms.before,
            "since": part.since or "-infinity",
            "until": part.until,
            "limit": LARGEST_MOVE + 1,
        }
        return sql(self.using, _OLD.format(part=part.name) + tail, parameters)


def fence(using: str, part: Part) -> int:
    """Wait until nobody is writing to a partition; gives the last id of the ledger by then."""

    def wait() -> int:
        with short_locks(using):
            sql(using, f"LOCK TABLE {part.name} IN SHARE ROW EXCLUSIVE MODE")
            name = sql(using, "SELECT pg_get_serial_sequence(%s, 'id')", [LEDGER.table])[0][0]
            return int(sql(using, f"SELECT last_value FROM {name}")[0][0])

    return patiently(wait)
