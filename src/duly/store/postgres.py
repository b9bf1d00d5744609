"""The store on PostgreSQL: one statement where the ORM would need one for each row.

What is rare (release, park, unpark) stays with the portable store.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any
from uuid import UUID

from django.db import connections

from duly.ids import new_id
from duly.models import ScheduledEvent
from duly.store import facts
from duly.store.births import iso, paused_entries
from duly.store.portable import PortableStore
from duly.store.rows import (
    Advance,
    Advancer,
    Claim,
    DueEvent,
    Horizon,
    Result,
    ZoneInUse,
    resolution_text,
)

# In the order of claim_waking.sql.
_WAKING_COLUMNS = tuple(field.name for field in fields(Claim))


@cache
def statement(name: str) -> str:
    """Give the text of `store/sql/NAME.sql`."""
    return files("duly.store").joinpath("sql", f"{name}.sql").read_text("utf-8")


class PostgresStore(PortableStore):
    """See `duly.store.contract.Store`, which says what each method promises."""

    def horizon(self) -> Horizon:
        return Horizon(*self._rows("horizon", {})[0])

    def claim_due(
        self,
        *,
        now: datetime,
        until: datetime,
        limit: int,
        lease_until: datetime,
        holder: UUID,
        advance: Advancer,
    ) -> list[Claim]:
        with self._transaction():
            rows = self._rows("lock_due", {"until": until, "limit": limit})
            if not rows:
                return []
            advances = [advance(_due_event(row)) for row in rows]
            ids = [new_id(now) for _ in rows]
            born = self._rows(
                "give_birth",
                {"now": now, "lease_until": lease_until, "holder": holder}
                | _birth_columns(rows, ids, advances),
            )
            event_ids = [row[0] for row in rows]
            self._record(paused_entries(zip(event_ids, advances, strict=True), now))
        id_of = dict(born)
        return [_claim(row, id_of[row[0]]) for row in rows if row[0] in id_of]

    def claim_waking(
        self, *, now: datetime, until: datetime, limit: int, lease_until: datetime, holder: UUID
    ) -> list[Claim]:
        rows = self._rows(
            "claim_waking",
            {
                "now": now,
                "until": until,
                "limit": limit,
                "lease_until": lease_until,
                "holder": holder,
            },
        )
        return [_waking_claim(row) for row in rows]

    def start(
        self, claims: Sequence[Claim], *, now: datetime, lease_until: datetime, holder: UUID
    ) -> set[UUID]:
        return self._ids(
            "start",
            {
                "ids": [claim.id for claim in claims],
                "attempts": [claim.attempt for claim in claims],
                "now": now,
                "lease_until": lease_until,
                "holder": holder,
            },
        )

    def extend(
        self, held: Collection[tuple[UUID, int]], *, lease_until: datetime, holder: UUID
    ) -> set[UUID]:
        return self._ids(
            "extend",
            {
                "ids": [id_ for id_, _ in held],
                "attempts": [attempt for _, attempt in held],
                "lease_until": lease_until,
                "holder": holder,
            },
        )

    def zones_in_use(self) -> list[ZoneInUse]:
        return [ZoneInUse(*row) for row in self._rows("zones_in_use", {})]

    def _move(self, events: Sequence[ScheduledEvent]) -> None:
        self._rows(
            "move",
            {
                "ids": [event.id for event in events],
                "next_ats": [event.next_at for event in events],
                "next_wall_times": [iso(event.next_wall_time) or None for event in events],
                "next_resolutions": [event.next_resolution for event in events],
                "fingerprints": [event.tzdata_fingerprint for event in events],
                "statuses": [str(event.status) for event in events],
                "reasons": [event.reason for event in events],
                "updated_ats": [event.updated_at for event in events],
            },
        )

    def _write(self, results: Sequence[Result], now: datetime) -> set[UUID]:
        decisions = [result.decision for result in results]
        return self._ids(
            "finish",
            {
                "now": now,
                "ids": [result.id for result in results],
                "event_ids": [result.event_id for result in results],
                "attempts": [result.attempt for result in results],
                "statuses": [str(decision.status) for decision in decisions],
                "wake_ats": [decision.wake_at for decision in decisions],
                "errors": [decision.error for decision in decisions],
                "facts": [decision.fact for decision in decisions],
                "datas": [_json(facts.decision_data(decision)) for decision in decisions],
            },
        )

    def _rows(self, name: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        with connections[self.using].cursor() as cursor:
            cursor.execute(statement(name), parameters)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows

    def _ids(self, name: str, parameters: Mapping[str, Any]) -> set[UUID]:
        return {id_ for (id_,) in self._rows(name, parameters)}


def _due_event(row: tuple[Any, ...]) -> DueEvent:
    id_, rule, next_at, next_wall_time, next_resolution = row[:5]
    return DueEvent(
        id_, json.loads(rule), next_at, datetime.fromisoformat(next_wall_time), next_resolution
    )


def _claim(row: tuple[Any, ...], id_: UUID) -> Claim:
    (event_id, _, due_at, wall_time, _, event_type, service, key, entity_type, entity_id) = row[:10]
    payload, zone, user_timezone, resource_timezone = row[10:]
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
        ready_at=due_at,
    )


def _waking_claim(row: tuple[Any, ...]) -> Claim:
    columns = dict(zip(_WAKING_COLUMNS, row, strict=True))
    return Claim(**columns | {"wall_time": datetime.fromisoformat(columns["wall_time"])})


def _birth_columns(
    rows: Sequence[tuple[Any, ...]], ids: Sequence[UUID], advances: Sequence[Advance]
) -> dict[str, Any]:
    dues = [advance.next_due for advance in advances]
    return {
        "event_ids": [row[0] for row in rows],
        "occurrence_ids": list(ids),
        "next_ats": [due.at if due else None for due in dues],
        "next_wall_times": [due.wall_time.isoformat() if due else None for due in dues],
        "next_resolutions": [resolution_text(due) if due else "" for due in dues],
        "fingerprints": [advance.fingerprint for advance in advances],
        "statuses": [str(advance.status) for advance in advances],
        "reasons": [advance.problem[:500] for advance in advances],
        "datas": [_json({"due_at": row[2].isoformat(), "wall_time": row[3]}) for row in rows],
    }


def _json(data: Mapping[str, Any] | None) -> str | None:
    return None if data is None else json.dumps(data)
