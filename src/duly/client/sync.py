"""The client of the service, for threads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack
from uuid import UUID

from duly.client import event_calls, run_calls, time_calls
from duly.client.calls import Call, Page, Pages, batches
from duly.client.connected import Connected
from duly.client.errors import Changed, NotFound
from duly.client.event_calls import BATCH, CANCELLED, EventId, Listed, Looked
from duly.client.new_event import Entity, EventOptions, NewEvent
from duly.client.results import (
    Answer,
    Cancelled,
    Conversion,
    EntityCancelled,
    Event,
    EventBrief,
    LedgerEntry,
    Occurrence,
    Preview,
    Rejected,
    Replayed,
    Saga,
    Scheduled,
    Stored,
    Triggered,
    Upcoming,
    Validation,
)
from duly.client.run_calls import Dead
from duly.client.times import Rule

_Gives = TypeVar("_Gives")


class Client(Connected):
    """Speaks with one service; may be used by many threads at once.

    ::

        with Client("https://events.example", service="billing", api_key=KEY) as duly:
            duly.schedule("reminder", datetime(2031, 3, 30, 9), timezone="Australia/Sydney")

    For the arguments see `Connected`. Every method raises `ClientError`; which errors there are,
    `duly.client.errors` says.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._transport.close()

    def schedule(
        self,
        type: str,  # noqa: A002 - as the service calls it
        when: datetime | Rule | Mapping[str, Any],
        **options: Unpack[EventOptions],
    ) -> Scheduled:
        """Schedule one event; see `NewEvent` for the arguments.

        Raises Refused naming the field that breaks a rule, and Conflict where its key is known
        and `on_conflict` does not allow the change.
        """
        return self._give(event_calls.schedule(NewEvent(type, when, **options)))

    def schedule_many(
        self, events: Iterable[NewEvent], *, batch: int = BATCH
    ) -> Iterator[Stored | Rejected]:
        """Schedule many events, and give what became of each, in the order given.

        batch: so many are sent at once; no more are held in memory. What is refused does not
            hinder the others.

        Nothing is sent before the iterator is read, and no more than it is read for.
        """
        first = 0
        for chunk in batches(events, batch):
            answer = self._transport.send(event_calls.schedule_many(chunk))
            yield from event_calls.outcomes(answer, first, len(chunk))
            first += len(chunk)

    def get(self, event: EventId, *, timezone: str | None = None) -> Event:
        """Give an event, by its id or its key; its times in `timezone`. Raises NotFound."""
        return self._give(event_calls.get(event, timezone))

    def upcoming(self, **looked: Unpack[Looked]) -> Iterator[Upcoming]:
        """Give the firings to come, soonest first; recurring events several times.

        entity: (type, id), or an id. service: whose, for those who see others'.
        start, end: aware; [start, end). timezone: in which the times are given.
        limit: at most so many; without one all there are, and a recurring event may have no end.

        Pages are fetched as they are needed.
        """
        yield from self._each(event_calls.upcoming(looked), looked.get("limit"))

    def events(self, **listed: Unpack[Listed]) -> Iterator[EventBrief]:
        """Give events whatever their status, the newest first: in brief, see `get` for all.

        status, type, entity, service: each narrows the choice. timezone, limit: as `upcoming`.
        """
        yield from self._each(event_calls.events(listed), listed.get("limit"))

    def cancel(self, event: EventId, *, if_match: str | None = None) -> Cancelled:
        """Cancel an event, and its occurrences that have not begun.

        if_match: the `etag` of the event as it was read; it must not have changed since.

        Raises NotFound, also where nothing of it is to come; Conflict where it runs; Changed.
        """
        try:
            return self._give(event_calls.cancel(event, if_match))
        except (NotFound, Changed) as error:
            # An earlier attempt, whose answer was lost, may have done it.
            if error.attempts == 1 or (found := self.get(event)).status != CANCELLED:
                raise
            return Cancelled(event_id=found.event_id, status=CANCELLED)

    def cancel_entity(self, entity: Entity) -> EntityCancelled:
        """Cancel every live event of an entity: (type, id), or an id, whatever its type."""
        return self._give(event_calls.cancel_entity(entity))

    def reschedule(
        self,
        event: EventId,
        when: datetime | Rule | Mapping[str, Any],
        *,
        timezone: str = "",
        if_match: str | None = None,
    ) -> Answer:
        """Give an event another time, which is said as in `schedule`; paused ones go on.

        timezone: of a civil time. Raises NotFound, Refused, Changed.
        """
        return self._give(event_calls.reschedule(event, when, timezone, if_match))

    def pause(self, event: EventId, *, note: str = "") -> Answer:
        """Stop an event from coming due until it is resumed. Raises NotFound, Conflict."""
        return self._give(event_calls.pause(event, note))

    def resume(self, event: EventId) -> Answer:
        """Let a paused event come due again, from now on. Raises NotFound, Conflict."""
        return self._give(event_calls.resume(event))

    def trigger(self, event: EventId) -> Triggered:
        """Fire an event now, beside its rule.

        Where the answer is lost it is not tried again: raises ServiceUnreachable, and it may
        have fired; `occurrences` says so. Raises NotFound.
        """
        return self._give(event_calls.trigger(event))

    def occurrences(
        self, event: EventId, *, status: str | None = None, limit: int | None = None
    ) -> Iterator[Occurrence]:
        """Give what has come due of an event, with its attempts, the latest first."""
        yield from self._each(run_calls.occurrences(event, status, limit), limit)

    def occurrence(self, occurrence: UUID | str) -> Occurrence:
        """Give one occurrence with its payload, its error and its attempts. Raises NotFound."""
        return self._give(run_calls.occurrence(occurrence))

    def ledger(
        self, event: EventId, *, newest_first: bool = False, limit: int | None = None
    ) -> Iterator[LedgerEntry]:
        """Give what has happened to an event and its occurrences, the oldest first."""
        order = "newest" if newest_first else "oldest"
        yield from self._each(run_calls.ledger(event, order, limit), limit)

    def dead_letters(self, **dead: Unpack[Dead]) -> Iterator[Occurrence]:
        """Give the occurrences whose attempts are used up, those due first first.

        type, service, entity: of their event. error: a part of what they died of.
        start, end: of their due instants, aware, [start, end). limit: at most so many.
        """
        yield from self._each(run_calls.dead_letters(dead), dead.get("limit"))

    def replay(self, occurrence: UUID | str) -> Occurrence:
        """Let one occurrence that has ended run again, under the same idempotency key.

        Where the answer is lost it is not tried again. Raises NotFound, Conflict.
        """
        return self._give(run_calls.replay(occurrence))

    def replay_dead(self, *, dry_run: bool = False, **dead: Unpack[Dead]) -> Replayed:
        """Let dead letters run again, chosen as by `dead_letters`; `dry_run` only counts them."""
        return self._give(run_calls.replay_dead(dead, dry_run))

    def start_saga(
        self,
        name: str,
        *,
        context: Mapping[str, Any] | None = None,
        key: str | None = None,
        entity: Entity | None = None,
    ) -> Saga:
        """Start a saga that the service has a definition of; where the key is known, that saga."""
        return self._give(run_calls.start_saga(name, context, key, entity))

    def saga(self, saga: UUID | str, *, name: str | None = None) -> Saga:
        """Give a saga by its id or its key, with its steps. Raises NotFound."""
        return self._give(run_calls.saga(saga, name))

    def sagas(
        self,
        *,
        name: str | None = None,
        status: str | None = None,
        entity: Entity | None = None,
        limit: int | None = None,
    ) -> Iterator[Saga]:
        """Give sagas, the newest first: in brief, see `saga` for all."""
        yield from self._each(run_calls.sagas(name, status, entity, limit), limit)

    def signal_saga(
        self, saga: UUID | str, signal: str, value: Any = None, *, name: str | None = None
    ) -> Saga:
        """Give a saga a signal that it waits for, or will. Raises NotFound, Conflict."""
        return self._give(run_calls.signal_saga(saga, signal, value, name))

    def cancel_saga(self, saga: UUID | str, *, reason: str = "", name: str | None = None) -> Saga:
        """Let a saga go back. Raises NotFound, and Conflict for one that is completed."""
        return self._give(run_calls.cancel_saga(saga, reason, name))

    def convert(
        self, time: datetime, to_timezones: Iterable[str], *, from_timezone: str | None = None
    ) -> Conversion:
        """Give one moment as it is read in many zones.

        time: an instant (aware), or a civil time (naive) in `from_timezone`.
        """
        return self._give(time_calls.convert(time, to_timezones, from_timezone))

    def validate(self, resource_timezone: str, user_timezone: str) -> Validation:
        """Say what differs between two zones, and what is wrong with them."""
        return self._give(time_calls.validate(resource_timezone, user_timezone))

    def preview(
        self,
        when: datetime | Rule | Mapping[str, Any],
        *,
        timezone: str = "",
        n: int = 10,
        after: datetime | None = None,
    ) -> Preview:
        """Give the next firings of a rule, which is said as in `schedule`; schedules nothing.

        n: 1 to 1,000. after: aware; None: now.
        """
        return self._give(time_calls.preview(when, timezone, n, after))

    def _give(self, call: Call[_Gives]) -> _Gives:
        return call.read(self._transport.send(call.request()))

    def _each(self, first: Call[Page[_Gives]], limit: int | None) -> Iterator[_Gives]:
        pages = Pages(first, limit)
        while pages.call is not None:
            yield from pages.take(self._give(pages.call))
