"""The store on Django's ORM: SQLite, and any database with row locks.

Where rows can be locked, claims are `FOR UPDATE SKIP LOCKED`. SQLite has no row locks:
its transactions must begin IMMEDIATE, and then exclude each other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F, Q, QuerySet, TextField
from django.db.models.functions import Cast

from duly.models import LedgerEntry, Occurrence, ScheduledEvent
from duly.policy.handling import saga_of
from duly.policy.outcome import Decision
from duly.policy.states import OccurrenceStatus
from duly.store import facts, sagas
from duly.store.births import (
    MOVED,
    birth,
    claim_of,
    due_event,
    iso,
    move_on,
    never_began,
    started_entry,
    told,
)
from duly.store.deaths import announcements
from duly.store.events import event_entry
from duly.store.locks import unlocked
from duly.store.moves import rederived_entry, stale_event_of
from duly.store.overlaps import CANCEL_ASKED, is_exclusive, may_begin, wake_next
from duly.store.rows import (
    NOBODY,
    Advance,
    Advancer,
    Birth,
    Born,
    Claim,
    Expired,
    Horizon,
    PassedOver,
    Rederived,
    Rederiver,
    Result,
    StaleEvent,
    ZoneInUse,
)
from duly.store.turns import transaction_in_turn

NO_HANDLER = "no handler"


class PortableStore:
    """See `duly.store.contract.Store`, which says what each method promises."""

    def __init__(self, using: str) -> None:
        self.using = using

    def horizon(
        self, events_since: datetime | None = None, occurrences_since: datetime | None = None
    ) -> Horizon:
        event = self._events().filter(next_at__isnull=False).order_by("next_at")
        occurrence = self._occurrences().filter(wake_at__isnull=False).order_by("wake_at")
        return Horizon(
            event.values_list("next_at", flat=True).first(),
            occurrence.values_list("wake_at", flat=True).first(),
        )

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
            events_due = self._events().filter(next_at__lte=until).order_by("next_at")
            if urgent:
                events_due = events_due.filter(handling__has_key="priority")
            if without:
                ours = Q(event_type__in=without.types) & ~Q(service__in=without.elsewhere)
                events_due = events_due.exclude(ours).exclude(service__in=without.services)
            due = unlocked(events_due)
            locked = list(_with_payload_text(due)[:limit])
            planned = [(event, advance(due_event(event))) for event in locked]
            planned = [(event, to) for event, to in planned if to.birth is not Birth.LEFT]
            events = [event for event, _ in planned]
            there = self._occurrences_of(events)
            born: list[Occurrence] = []
            entries: list[LedgerEntry] = []
            claims = Born([], [], len(planned) == limit, _last_due(events))
            for event, moves_to in planned:
                if moves_to.birth is Birth.NONE:
                    entries += move_on(event, moves_to, now)
                    continue
                occurrence = birth(event, moves_to, now, lease_until, holder)
                data = {
                    "due_at": iso(event.next_at),
                    "wall_time": iso(event.next_wall_time),
                    "next_at": iso(moves_to.next_due.at) if moves_to.next_due else None,
                }
                before = there.get((event.id, occurrence.due_at))
                if before is not None and not never_began(before):
                    data["reason"] = "this instant has fired"
                    entries.append(facts.entry(facts.SKIPPED, now, event.id, data=data))
                else:
                    if before is not None:
                        occurrence.id, occurrence.created_at = before.id, before.created_at
                    born.append(occurrence)
                    claims.add(claim_of(event, occurrence, event.payload_text), moves_to.birth)
                    entries.append(facts.entry(facts.DUE, now, event.id, occurrence.id, data=data))
                    if moves_to.birth is Birth.RUNNING:
                        entries.append(started_entry(event.id, occurrence.id, 1, now, holder))
                entries += move_on(event, moves_to, now)
            self._occurrences().filter(id__in=[row.id for row in there.values()]).filter(
                id__in=[row.id for row in born]
            ).delete()
            self._occurrences().bulk_create(born)
            self._events().bulk_update(events, MOVED)
            self._record(entries)
        return claims

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
        ready = Q(status=OccurrenceStatus.PENDING, wake_at__lte=until) | Q(
            status=OccurrenceStatus.QUEUED, wake_at__lte=now
        )
        rows_ready = self._occurrences().filter(ready).exclude(service__in=without.services)
        with self._transaction():
            waking = unlocked(rows_ready.order_by("wake_at").select_related("event"), of=("self",))
            rows = list(_with_payload_text(waking.defer("event__payload"))[:limit])
            claims = [claim_of(row.event, row, row.payload_text) for row in rows]
            self._occurrences().filter(id__in=[row.id for row in rows]).update(
                status=OccurrenceStatus.QUEUED, wake_at=lease_until, holder=holder
            )
            self._record(
                facts.entry(facts.CLAIMED, now, row.event_id, row.id, data={"from": row.status})
                for row in rows
            )
        return claims

    def rescue_expired(
        self,
        *,
        now: datetime,
        limit: int,
        decide: Callable[[Expired], Decision],
        since: datetime | None = None,
    ) -> int:
        with self._transaction():
            lapsed = unlocked(
                self._occurrences()
                .filter(status=OccurrenceStatus.RUNNING, wake_at__lte=now)
                .order_by("wake_at")
            )
            expired = [
                Expired(*row)
                for row in lapsed.values_list(*(one.name for one in fields(Expired)))[:limit]
            ]
            results = [
                Result(
                    row.id,
                    row.event_id,
                    row.due_at,
                    row.attempt,
                    decide(row),
                    is_exclusive(row.handling),
                    saga_of(row.handling),
                )
                for row in expired
            ]
            written = self._conclude(results, now)
        return len(written)

    def start(
        self, claims: Sequence[Claim], *, now: datetime, lease_until: datetime, holder: UUID
    ) -> set[UUID]:
        with self._transaction():
            claims = self._those_that_may_begin(claims, now)
            began = [
                claim
                for claim in claims
                if self._held(claim.id, OccurrenceStatus.QUEUED, claim.attempt).update(
                    status=OccurrenceStatus.RUNNING,
                    attempt=claim.attempt + 1,
                    wake_at=lease_until,
                    holder=holder,
                    started_at=now,
                    reason="",
                )
            ]
            self._record(
                started_entry(claim.event_id, claim.id, claim.attempt + 1, now, holder)
                for claim in began
            )
        return {claim.id for claim in began}

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
        with self._transaction():
            claim = self.find_queued(id_, attempt)
            if claim is None or claim.event_type not in event_types:
                return None
            if is_exclusive(claim.handling) or (claim.expires_at and claim.expires_at < now):
                return None
            began = self.start([claim], now=now, lease_until=lease_until, holder=holder)
        return claim if began else None

    def find_queued(self, id_: UUID, attempt: int) -> Claim | None:
        rows = self._held(id_, OccurrenceStatus.QUEUED, attempt - 1).select_related("event")
        row: Any = _with_payload_text(rows.defer("event__payload")).first()
        return None if row is None else claim_of(row.event, row, row.payload_text)

    def finish(self, results: Sequence[Result], *, now: datetime) -> set[UUID]:
        with self._transaction():
            return self._conclude(results, now)

    def extend(
        self, held: Collection[tuple[UUID, int]], *, lease_until: datetime, holder: UUID
    ) -> set[UUID]:
        alive = Q(status__in=[OccurrenceStatus.QUEUED, OccurrenceStatus.RUNNING], holder=holder)
        with self._transaction():
            return {
                id_
                for id_, attempt in held
                if self._occurrences()
                .filter(alive, id=id_, attempt=attempt)
                .update(wake_at=lease_until)
            }

    def release(self, claims: Sequence[Claim], *, now: datetime, holder: UUID) -> int:
        with self._transaction():
            released = [
                claim
                for claim in claims
                if self._held(claim.id, OccurrenceStatus.QUEUED, claim.attempt)
                .filter(holder=holder)
                .update(wake_at=now, holder=None)
            ]
            self._record(
                facts.entry(facts.RELEASED, now, claim.event_id, claim.id) for claim in released
            )
        return len(released)

    def park(
        self, claims: Sequence[Claim], *, now: datetime, wake_at: datetime, reason: str
    ) -> int:
        with self._transaction():
            ids = [claim.id for claim in claims]
            known = set(
                self._occurrences().filter(id__in=ids, reason=reason).values_list("id", flat=True)
            )
            parked = [
                claim
                for claim in claims
                if self._held(claim.id, OccurrenceStatus.QUEUED, claim.attempt).update(
                    status=OccurrenceStatus.PENDING, wake_at=wake_at, holder=None, reason=reason
                )
            ]
            # Said once: an occurrence that waits a week for its handler is parked every
            # few seconds, and that is one fact.
            self._record(
                facts.entry(facts.PARKED, now, claim.event_id, claim.id, data={"reason": reason})
                for claim in parked
                if claim.id not in known
            )
        return len(parked)

    def zones_in_use(self) -> list[ZoneInUse]:
        pairs = self._events().filter(next_at__isnull=False)
        found = pairs.values_list("execution_timezone", "tzdata_fingerprint").distinct()
        return [ZoneInUse(*pair) for pair in found]

    def stale_events(self, stale: ZoneInUse) -> Iterator[StaleEvent]:
        for event in self._stale(stale).iterator(chunk_size=1000):
            yield stale_event_of(event, self._latest)

    def rederive(
        self,
        stale: ZoneInUse,
        *,
        now: datetime,
        until: datetime | None,
        limit: int,
        derive: Rederiver,
        reason: str,
    ) -> list[Rederived]:
        with self._transaction():
            rows = self._stale(stale)
            if until is not None:
                rows = rows.filter(next_at__lte=until)
            events = list(unlocked(rows)[:limit])
            found = [
                Rederived(stale_event, derive(stale_event))
                for stale_event in (stale_event_of(event, self._latest) for event in events)
            ]
            pairs = zip(events, (one.advance for one in found), strict=True)
            self._move(list(pairs), now)
            self._record(rederived_entry(one, now, reason) for one in found if one.moved)
        return found

    def skip(self, claims: Sequence[Claim], *, now: datetime, reason: str) -> set[UUID]:
        with self._transaction():
            skipped = [
                claim
                for claim in claims
                if self._held(claim.id, OccurrenceStatus.QUEUED, claim.attempt).update(
                    status=OccurrenceStatus.SKIPPED,
                    wake_at=None,
                    holder=None,
                    reason=reason,
                    finished_at=now,
                )
            ]
            self._record(
                facts.entry(facts.SKIPPED, now, claim.event_id, claim.id, data={"reason": reason})
                for claim in skipped
            )
        return {claim.id for claim in skipped}

    def asked_to_stop(self, ids: Collection[UUID]) -> set[UUID]:
        rows = self._occurrences().filter(id__in=list(ids), reason=CANCEL_ASKED)
        return set(rows.values_list("id", flat=True))

    def unpark(self, event_types: Collection[str], *, now: datetime) -> int:
        parked = Q(status=OccurrenceStatus.PENDING, reason__startswith=NO_HANDLER)
        # Which the status implies; it is what the index of the living is by.
        parked &= Q(wake_at__isnull=False)
        with self._transaction():
            rows = list(
                unlocked(
                    self._occurrences().filter(parked, event_type__in=event_types)
                ).values_list("id", "event_id")
            )
            self._occurrences().filter(id__in=[id_ for id_, _ in rows]).update(
                wake_at=now, reason=""
            )
            self._record(facts.entry(facts.UNPARKED, now, event_id, id_) for id_, event_id in rows)
        return len(rows)

    def _transaction(self) -> AbstractContextManager[None]:
        return transaction_in_turn(self.using)

    def _stale(self, stale: ZoneInUse) -> QuerySet[ScheduledEvent, ScheduledEvent]:
        """Find a zone's events by the data that they follow, soonest first."""
        rows = self._events().filter(
            execution_timezone=stale.zone,
            tzdata_fingerprint=stale.fingerprint,
            next_at__isnull=False,
        )
        return rows.defer("payload").order_by("next_at")

    def _latest(self, event: ScheduledEvent) -> list[Occurrence]:
        rows = self._occurrences().filter(event=event).defer("payload").order_by("-due_at")
        # The last of the schedule, and a few that may have been triggered by hand.
        return list(rows[:5])

    def _move(self, moved: Sequence[tuple[ScheduledEvent, Advance]], now: datetime) -> None:
        for event, advance in moved:
            move_on(event, advance, now)
        self._events().bulk_update([event for event, _ in moved], MOVED)

    def _those_that_may_begin(self, claims: Sequence[Claim], now: datetime) -> list[Claim]:
        """Leave out what must wait for another occurrence of its event."""
        # In the order of their events, so that no two batches can wait for each other.
        exclusive = sorted(
            (claim for claim in claims if is_exclusive(claim.handling)),
            key=lambda claim: (claim.event_id, claim.due_at),
        )
        stopped = {claim.id for claim in exclusive if not may_begin(self.using, claim, now)}
        return [claim for claim in claims if claim.id not in stopped]

    def _conclude(self, results: Sequence[Result], now: datetime) -> set[UUID]:
        """Write outcomes, an event for each death among them, and what follows in sagas."""
        written = self._write(results, now)
        if ended := {
            result.event_id
            for result in results
            if result.exclusive and result.id in written and result.decision.wake_at is None
        }:
            wake_next(self.using, ended, now)
        died = [
            result.id
            for result in results
            if result.id in written and result.decision.status == OccurrenceStatus.DEAD
        ]
        if died:
            dead = self._occurrences().filter(id__in=died).defer("payload")
            events = announcements(dead, now)
            self._events().bulk_create(events)
            self._record(event_entry(facts.SCHEDULED, now, event, facts.ENGINE) for event in events)
        steps = [result for result in results if result.saga and result.id in written]
        if steps:
            sagas.conclude(self.using, steps, now)
        return written

    def _write(self, results: Sequence[Result], now: datetime) -> set[UUID]:
        written: set[tuple[UUID, int]] = set()
        for result in results:
            decision = result.decision
            kept = {} if result.handling is None else {"handling": result.handling}
            if self._held(result.id, OccurrenceStatus.RUNNING, result.attempt).update(
                status=decision.status,
                wake_at=decision.wake_at,
                holder=None,
                error=decision.error,
                forgiven=F("forgiven") + int(decision.forgiven),
                finished_at=now if decision.wake_at is None else None,
                **kept,
            ):
                written.add((result.id, result.attempt))
        self._record(
            told(result, now, (result.id, result.attempt) in written) for result in results
        )
        return {id_ for id_, _ in written}

    def _occurrences_of(
        self, events: Sequence[ScheduledEvent]
    ) -> dict[tuple[UUID, datetime], Occurrence]:
        """Find what these events gave birth to at these instants before."""
        # Their events are locked, so nobody else gives birth to any of these meanwhile.
        pairs = self._occurrences().filter(
            event_id__in=[event.id for event in events],
            due_at__in=[event.next_at for event in events],
        )
        return {(row.event_id, row.due_at): row for row in pairs.defer("payload")}

    def _record(self, entries: Iterable[LedgerEntry]) -> None:
        LedgerEntry.objects.using(self.using).bulk_create(entries)

    def _held(
        self, id_: UUID, status: OccurrenceStatus, attempt: int
    ) -> QuerySet[Occurrence, Occurrence]:
        return self._occurrences().filter(id=id_, status=status, attempt=attempt)

    def _events(self) -> QuerySet[ScheduledEvent, ScheduledEvent]:
        return ScheduledEvent.objects.using(self.using)

    def _occurrences(self) -> QuerySet[Occurrence, Occurrence]:
        return Occurrence.objects.using(self.using)


def _last_due(events: Sequence[ScheduledEvent]) -> datetime | None:
    return events[-1].next_at if events else None


def _with_payload_text(rows: QuerySet[Any, Any]) -> QuerySet[Any, Any]:
    # As text: a payload that does not decode is its own attempt's failure, and must not
    # stop the batch that it is claimed in.
    texts: QuerySet[Any, Any] = rows.defer("payload").annotate(
        payload_text=Cast("payload", TextField())
    )
    return texts
