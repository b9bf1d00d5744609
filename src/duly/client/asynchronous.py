"""The client of the service, for coroutines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
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
from duly.client.transport import Answer as HttpAnswer
from duly.client.transport import Request

_Gives = TypeVar("_Gives")


class AsyncClient(Connected):
    """Speaks with one service from coroutines: every method of `Client`, to be awaited.

    ::

        async with AsyncClient("https://events.example", service="billing", api_key=KEY) as duly:
            await duly.schedule("reminder", datetime(2031, 3, 30, 9), timezone="Asia/Tokyo")

    What `Client` gives as an iterator is to be read by `async for`. The requests are made in
    threads, `pool` of them at once; others wait for one. A coroutine that is cancelled does not
    stop its request: it may yet be done.

    For the arguments see `Connected`.
    """

    _threads: ThreadPoolExecutor | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Wait for the requests that are under way, and close the connections."""
        if self._threads is not None:
            await asyncio.to_thread(self._threads.shutdown)
            self._threads = None
        self._transport.close()

    async def schedule(
        self,
        type: str,  # noqa: A002 - as the service calls it
        when: datetime | Rule | Mapping[str, Any],
        **options: Unpack[EventOptions],
    ) -> Scheduled:
        """See `Client.schedule`."""
        return await self._give(event_calls.schedule(NewEvent(type, when, **options)))

    async def schedule_many(
        self, events: Iterable[NewEvent], *, batch: int = BATCH
    ) -> AsyncIterator[Stored | Rejected]:
        """See `Client.schedule_many`."""
        first = 0
        for chunk in batches(events, batch):
            answer = await self._send(event_calls.schedule_many(chunk))
            for one in event_calls.outcomes(answer, first, len(chunk)):
                yield one
            first += len(chunk)

    async def get(self, event: EventId, *, timezone: str | None = None) -> Event:
        """See `Client.get`."""
        return await self._give(event_calls.get(event, timezone))

    async def upcoming(self, **looked: Unpack[Looked]) -> AsyncIterator[Upcoming]:
        """See `Client.upcoming`."""
        async for one in self._each(event_calls.upcoming(looked), looked.get("limit")):
            yield one

    async def events(self, **listed: Unpack[Listed]) -> AsyncIterator[EventBrief]:
        """See `Client.events`."""
        async for one in self._each(event_calls.events(listed), listed.get("limit")):
            yield one

    async def cancel(self, event: EventId, *, if_match: str | None = None) -> Cancelled:
        """See `Client.cancel`."""
        try:
            return await self._give(event_calls.cancel(event, if_match))
        except (NotFound, Changed) as error:
            # An earlier attempt, whose answer was lost, may have done it.
            if error.attempts == 1 or (found := await self.get(event)).status != CANCELLED:
                raise
            return Cancelled(event_id=found.event_id, status=CANCELLED)

    async def cancel_entity(self, entity: Entity) -> EntityCancelled:
        """See `Client.cancel_entity`."""
        return await self._give(event_calls.cancel_entity(entity))

    async def reschedule(
        self,
        event: EventId,
        when: datetime | Rule | Mapping[str, Any],
        *,
        timezone: str = "",
        if_match: str | None = None,
    ) -> Answer:
        """See `Client.reschedule`."""
        return await self._give(event_calls.reschedule(event, when, timezone, if_match))

    async def pause(self, event: EventId, *, note: str = "") -> Answer:
        """See `Client.pause`."""
        return await self._give(event_calls.pause(event, note))

    async def resume(self, event: EventId) -> Answer:
        """See `Client.resume`."""
        return await self._give(event_calls.resume(event))

    async def trigger(self, event: EventId) -> Triggered:
        """See `Client.trigger`."""
        return await self._give(event_calls.trigger(event))

    async def occurrences(
        self, event: EventId, *, status: str | None = None, limit: int | None = None
    ) -> AsyncIterator[Occurrence]:
        """See `Client.occurrences`."""
        async for one in self._each(run_calls.occurrences(event, status, limit), limit):
            yield one

    async def occurrence(self, occurrence: UUID | str) -> Occurrence:
        """See `Client.occurrence`."""
        return await self._give(run_calls.occurrence(occurrence))

    async def ledger(
        self, event: EventId, *, newest_first: bool = False, limit: int | None = None
    ) -> AsyncIterator[LedgerEntry]:
        """See `Client.ledger`."""
        order = "newest" if newest_first else "oldest"
        async for one in self._each(run_calls.ledger(event, order, limit), limit):
            yield one

    async def dead_letters(self, **dead: Unpack[Dead]) -> AsyncIterator[Occurrence]:
        """See `Client.dead_letters`."""
        async for one in self._each(run_calls.dead_letters(dead), dead.get("limit")):
            yield one

    async def replay(self, occurrence: UUID | str) -> Occurrence:
        """See `Client.replay`."""
        return await self._give(run_calls.replay(occurrence))

    async def replay_dead(self, *, dry_run: bool = False, **dead: Unpack[Dead]) -> Replayed:
        """See `Client.replay_dead`."""
        return await self._give(run_calls.replay_dead(dead, dry_run))

    async def start_saga(
        self,
        name: str,
        *,
        context: Mapping[str, Any] | None = None,
        key: str | None = None,
        entity: Entity | None = None,
    ) -> Saga:
        """See `Client.start_saga`."""
        return await self._give(run_calls.start_saga(name, context, key, entity))

    async def saga(self, saga: UUID | str, *, name: str | None = None) -> Saga:
        """See `Client.saga`."""
        return await self._give(run_calls.saga(saga, name))

    async def sagas(
        self,
        *,
        name: str | None = None,
        status: str | None = None,
        entity: Entity | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[Saga]:
        """See `Client.sagas`."""
        async for one in self._each(run_calls.sagas(name, status, entity, limit), limit):
            yield one

    async def signal_saga(
        self, saga: UUID | str, signal: str, value: Any = None, *, name: str | None = None
    ) -> Saga:
        """See `Client.signal_saga`."""
        return await self._give(run_calls.signal_saga(saga, signal, value, name))

    async def cancel_saga(
        self, saga: UUID | str, *, reason: str = "", name: str | None = None
    ) -> Saga:
        """See `Client.cancel_saga`."""
        return await self._give(run_calls.cancel_saga(saga, reason, name))

    async def convert(
        self, time: datetime, to_timezones: Iterable[str], *, from_timezone: str | None = None
    ) -> Conversion:
        """See `Client.convert`."""
        return await self._give(time_calls.convert(time, to_timezones, from_timezone))

    async def validate(self, resource_timezone: str, user_timezone: str) -> Validation:
        """See `Client.validate`."""
        return await self._give(time_calls.validate(resource_timezone, user_timezone))

    async def preview(
        self,
        when: datetime | Rule | Mapping[str, Any],
        *,
        timezone: str = "",
        n: int = 10,
        after: datetime | None = None,
    ) -> Preview:
        """See `Client.preview`."""
        return await self._give(time_calls.preview(when, timezone, n, after))

    async def _give(self, call: Call[_Gives]) -> _Gives:
        return call.read(await self._send(call.request()))

    async def _send(self, request: Request) -> HttpAnswer:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._pool, thread_name_prefix="duly-client")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._transport.send, request)

    async def _each(self, first: Call[Page[_Gives]], limit: int | None) -> AsyncIterator[_Gives]:
        pages = Pages(first, limit)
        while pages.call is not None:
            for one in pages.take(await self._give(pages.call)):
                yield one
