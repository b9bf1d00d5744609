"""The store on PostgreSQL: one statement where the ORM would need one for each row.

What is rare (release, park, unpark) stays with the portable store.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from duly.civil.instants import EARLIEST
from duly.ids import new_id
from duly.models import ScheduledEvent
from duly.policy.states import OccurrenceStatus
from duly.store import facts
from duly.store.births import advance_entries
from duly.store.overlaps import is_exclusive
from duly.store.portable import PortableStore
from duly.store.rows import (
    NOBODY,
    Advance,
    Advancer,
    Birth,
    Born,
    Claim,
    DueEvent,
    Horizon,
    PassedOver,
    Result,
    ZoneInUse,
    resolution_text,
)
from duly.store.statements import array, instants, quoted, rows_of, uuids

# In the order of claim_waking.sql and take.sql.
_CLAIM_COLUMNS = tuple(field.name for field in fields(Claim))


class PostgresStore(PortableStore):
    """See `duly.store.contract.Store`, which says what each method promises."""

    def horizon(
        self, events_since: datetime | None = None, occurrences_since: datetime | None = None
    ) -> Horizon:
        since = {
            "events_since": events_since or EARLIEST,
            "occurrences_since": occurrences_since or EARLIEST,
        }
        return Horizon(*self._rows("horizon", since)[0])

    def claim_due(  # noqa: PLR0913 - the terms of one claim
        self,
        *,
        now: datetime,
        until: datetime,
        limit: int,
        lease_until: datetime,
        holder: UUID,
        advance: Advancer,
        since: datetime | None = None,
        without: PassedOver = NOBODY,
        urgent: bool = False,
    ) -> Born:
        with self._transaction():
            asked = {"since": since or EARLIEST, "until": until, "limit": limit}
            rows = self._rows(
                "lock_urgent" if urgent else "lock_due", asked | _passed_over(without)
            )
            planned = [(row, advance(_due_event(row))) for row in rows]
            planned = [(row, to) for row, to in planned if to.birth is not Birth.LEFT]
            self._move_to([(row[0], to) for row, to in planned if to.birth is Birth.NONE], now)
            firing = [(row, to) for row, to in planned if to.birth is not Birth.NONE]
            born: list[tuple[Any, ...]] = []
            if firing:
                fixed = {"now": now, "lease_until": lease_until, "holder": holder}
                born = self._rows("give_birth", fixed | _birth_columns(firing, now))
                self._rows("tell", {"now": now} | _told_of(firing, dict(born), holder))
            self._record(advance_entries(((row[0], to) for row, to in planned), now))
        id_of = dict(born)
        reached = planned[-1][0][2] if planned else None
        found = Born([], [], len(planned) == limit, reached)
        for row, to in firing:
            if row[0] in id_of:
                found.add(_claim(row, to, id_of[row[0]]), to.birth)
        return found

    def claim_waking(  # noqa: PLR0913 - the terms of one claim
        self,
        *,
        now: datetime,
        until: datetime,
        limit: int,
        lease_until: datetime,
        holder: UUID,
        since: datetime | None = None,
        without: PassedOver = NOBODY,
    ) -> list[Claim]:
        rows = self._rows(
            "claim_waking",
            {
                "now": now,
                "since": since or EARLIEST,
                "until": until,
                "limit": limit,
                "lease_until": lease_until,
                "holder": holder,
                "services": array(map(quoted, without.services)),
            },
        )
        return [_read_claim(row) for row in rows]

    def start(
        self, claims: Sequence[Claim], *, now: datetime, lease_until: datetime, holder: UUID
    ) -> set[UUID]:
        if any(is_exclusive(claim.handling) for claim in claims):
            with self._transaction():
                return self._begin(
                    self._those_that_may_begin(claims, now), now, lease_until, holder
                )
        return self._begin(claims, now, lease_until, holder)

    def take(
        self,
        id_: UUID,
        attempt: int,
        *,
        event_types: Collection[str],
        now: datetime,
        lease_until: datetime,
        holder: UUID,
    ) -> Claim | None:
        terms = {"now": now, "lease_until": lease_until, "holder": holder}
        asked = {"id": id_, "attempt": attempt, "event_types": array(map(quoted, event_types))}
        rows = self._rows("take", asked | terms)
        return _read_claim(rows[0]) if rows else None

    def _begin(
        self, claims: Sequence[Claim], now: datetime, lease_until: datetime, holder: UUID
    ) -> set[UUID]:
        return self._ids(
            "start",
            {
                "ids": uuids(claim.id for claim in claims),
                "due_ats": instants(claim.due_at for claim in claims),
                "attempts": array(str(claim.attempt) for claim in claims),
                "now": now,
                "lease_until": lease_until,
                "holder": holder,
            },
        )

    def finish(self, results: Sequence[Result], *, now: datetime) -> set[UUID]:
        if any(
            result.exclusive
            or result.saga
            or result.handling is not None
            or result.decision.status == OccurrenceStatus.DEAD
            for result in results
        ):
            return super().finish(results, now=now)
        # Nothing follows from these: one statement is its own transaction.
        return self._write(results, now)

    def extend(
        self, held: Collection[tuple[UUID, int]], *, lease_until: datetime, holder: UUID
    ) -> set[UUID]:
        return self._ids(
            "extend",
            {
                "ids": uuids(id_ for id_, _ in held),
                "attempts": array(str(attempt) for _, attempt in held),
                "lease_until": lease_until,
                "holder": holder,
            },
        )

    def zones_in_use(self) -> list[ZoneInUse]:
        return [ZoneInUse(*row) for row in self._rows("zones_in_use", {})]

    def _move(self, moved: Sequence[tuple[ScheduledEvent, Advance]], now: datetime) -> None:
        self._move_to([(event.id, advance) for event, advance in moved], now)

    def _move_to(self, moved: Sequence[tuple[UUID, Advance]], now: datetime) -> None:
        if moved:
            self._rows("move", {"now": now} | _move_columns(moved))

    def _write(self, results: Sequence[Result], now: datetime) -> set[UUID]:
        written = self._write_ends(results, now)
        kept = [one for one in results if one.handling is not None and one.id in written]
        if kept:
            columns = {
                "ids": uuids(result.id for result in kept),
                "due_ats": instants(result.due_at for result in kept),
                "handlings": array(quoted(json.dumps(result.handling)) for result in kept),
            }
            self._rows("keep_handling", columns)
        return written

    def _write_ends(self, results: Sequence[Result], now: datetime) -> set[UUID]:
        if len(results) == 1:
            return self._write_one(results[0], now)
        decisions = [result.decision for result in results]
        return self._ids(
            "finish",
            {
                "now": now,
                "ids": uuids(result.id for result in results),
                "event_ids": uuids(result.event_id for result in results),
                "due_ats": instants(result.due_at for result in results),
                "attempts": array(str(result.attempt) for result in results),
                "statuses": array(decision.status.value for decision in decisions),
                "wake_ats": instants(decision.wake_at for decision in decisions),
                "errors": array(quoted(decision.error) for decision in decisions),
                "forgiven": array("1" if decision.forgiven else "0" for decision in decisions),
                "facts": array(decision.fact for decision in decisions),
                "datas": array(_told(result) for result in results),
            },
        )

    def _write_one(self, result: Result, now: datetime) -> set[UUID]:
        decision, data = result.decision, facts.decision_data(result.decision, result.trace)
        return self._ids(
            "finish_one",
            {
                "now": now,
                "id": result.id,
                "event_id": result.event_id,
                "due_at": result.due_at,
                "attempt": result.attempt,
                "status": decision.status.value,
                "wake_at": decision.wake_at,
                "error": decision.error,
                "forgiven": int(decision.forgiven),
                "fact": decision.fact,
                "data": None if data is None else json.dumps(data),
            },
        )

    def _rows(self, name: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        return rows_of(self.using, name, parameters)

    def _ids(self, name: str, parameters: Mapping[str, Any]) -> set[UUID]:
        return {id_ for (id_,) in self._rows(name, parameters)}


def _due_event(row: tuple[Any, ...]) -> DueEvent:
    return DueEvent(row[0], row[4], _read(row[1]), row[2], _read(row[13]), _read(row[14]), row[5])


def _passed_over(without: PassedOver) -> dict[str, str]:
    return {
        "types": array(map(quoted, without.types)),
        "services": array(map(quoted, without.services)),
        "elsewhere": array(map(quoted, without.elsewhere)),
    }


def _read(stored: str) -> Any:
    """Read JSON that is empty most of the time."""
    if stored == "{}":
        return {}
    return [] if stored == "[]" else json.loads(stored)


def _claim(row: tuple[Any, ...], advance: Advance, id_: UUID) -> Claim:
    event_id, _, due_at, wall_time, event_type, service, key, entity_type, entity_id = row[:9]
    payload, zone, user_timezone, resource_timezone, handling = row[9:14]
    return Claim(
        id=id_,
        event_id=event_id,
        event_type=event_type,
        service=service,
        key=key,
        entity_type=entity_type,
        entity_id=entity_id,
        payload=payload,
        due_at=due_at,
        wall_time=datetime.fromisoformat(wall_time),
        zone=zone,
        user_timezone=user_timezone,
        resource_timezone=resource_timezone,
        attempt=0,
        forgiven=0,
        handling=_read(handling),
        expires_at=advance.expires_at,
        ready_at=due_at,
    )


def _read_claim(row: tuple[Any, ...]) -> Claim:
    columns = dict(zip(_CLAIM_COLUMNS, row, strict=True))
    read = {
        "wall_time": datetime.fromisoformat(columns["wall_time"]),
        "handling": _read(columns["handling"]),
    }
    return Claim(**columns | read)


def _birth_columns(
    firing: Sequence[tuple[tuple[Any, ...], Advance]], now: datetime
) -> dict[str, Any]:
    rows = [row for row, _ in firing]
    return _move_columns([(row[0], to) for row, to in firing]) | {
        "occurrence_ids": uuids(new_id(now) for _ in rows),
        "expires_ats": instants(to.expires_at for _, to in firing),
        "begins": array("t" if to.birth is Birth.RUNNING else "f" for _, to in firing),
    }


def _told_of(
    firing: Sequence[tuple[tuple[Any, ...], Advance]], id_of: Mapping[UUID, UUID], holder: UUID
) -> dict[str, str]:
    """Give what the ledger is to know of births, and of instants that had fired before."""
    told: list[tuple[str, str | None, str, str | None, str | None]] = []
    held_by = quoted(f'{{"holder": "{holder}"}}')
    for row, to in firing:
        event_id, occurrence_id = row[0].hex, id_of.get(row[0])
        data = _due_data(row, to)
        if occurrence_id is None:
            data = f'{data[:-1]}, "reason": "this instant has fired"}}'
            told.append((event_id, None, facts.SKIPPED, None, quoted(data)))
            continue
        told.append((event_id, occurrence_id.hex, facts.DUE, None, quoted(data)))
        if to.birth is Birth.RUNNING:
            # An attempt starts after its occurrence came due, in the ledger's order too.
            told.append((event_id, occurrence_id.hex, facts.STARTED, "1", held_by))
    names = ("event_ids", "occurrence_ids", "facts", "attempts", "datas")
    columns = zip(*told, strict=True)
    return {name: array(column) for name, column in zip(names, columns, strict=True)}


def _due_data(row: tuple[Any, ...], to: Advance) -> str:
    # Moments need no escaping.
    next_at = f'"{to.next_due.at.isoformat()}"' if to.next_due else "null"
    return f'{{"due_at": "{row[2].isoformat()}", "wall_time": "{row[3]}", "next_at": {next_at}}}'


def _move_columns(moved: Sequence[tuple[UUID, Advance]]) -> dict[str, Any]:
    dues = [advance.next_due for _, advance in moved]
    return {
        "event_ids": uuids(event_id for event_id, _ in moved),
        "next_ats": instants(due.at if due else None for due in dues),
        "next_wall_times": array(due.wall_time.isoformat() if due else None for due in dues),
        "next_resolutions": array(quoted(resolution_text(due) if due else "") for due in dues),
        "fingerprints": array(quoted(advance.fingerprint) for _, advance in moved),
        "statuses": array(advance.status.value for _, advance in moved),
        "reasons": array(quoted(advance.problem[:500]) for _, advance in moved),
    }


def _told(result: Result) -> str | None:
    data = facts.decision_data(result.decision, result.trace)
    return None if data is None else quoted(json.dumps(data))
