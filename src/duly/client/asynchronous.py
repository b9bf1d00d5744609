"""The client of the service, for coroutines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar, Unpack

from duly.client import (
    change_calls,
    event_calls,
    run_calls,
    saga_calls,
    template_calls,
    time_calls,
)
from duly.client.calls import Call, Listing, Pages, batches
from duly.client.connected import Connected
from duly.client.errors import Changed, NotFound
from duly.client.event_calls import BATCH, CANCELLED, EventId
from duly.client.following import Followed, Following
from duly.client.methods import asked_async, listed_async
from duly.client.new_event import NewEvent
from duly.client.results import Cancelled, Fired, Missed, Rejected, Stored
from duly.client.transport import Answer, Request

_Gives = TypeVar("_Gives")


class AsyncClient(Connected):
    """Speaks with one service from coroutines: every method of `Client`, to be awaited.

    ::

        async with AsyncClient("https://events.example", service="billing", api_key=KEY) as duly:
            await duly.schedule("reminder", datetime(2031, 3, 30, 9), timezone="Asia/Tokyo")

    What `Client` gives as an iterator is to be read by `async for`. The requests are made in
    threads, `pool` of them at once; others wait for one, and each `stream` has one of its own. A
    coroutine that is cancelled does not stop its request: it may yet be done.

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

    schedule = asked_async(event_calls.schedule)
    get = asked_async(event_calls.get)
    upcoming = listed_async(event_calls.upcoming)
    events = listed_async(event_calls.events)
    cancel_entity = asked_async(event_calls.cancel_entity)

    patch = asked_async(change_calls.patch)
    reschedule = asked_async(change_calls.reschedule)
    plan = asked_async(change_calls.plan)
    explain = asked_async(change_calls.explain)
    pause = asked_async(change_calls.pause)
    resume = asked_async(change_calls.resume)
    trigger = asked_async(change_calls.trigger)
    skip = asked_async(change_calls.skip)
    move = asked_async(change_calls.move)
    backfill = asked_async(change_calls.backfill)

    occurrences = listed_async(run_calls.occurrences)
    occurrence = asked_async(run_calls.occurrence)
    ledger = listed_async(run_calls.ledger)
    dead_letters = listed_async(run_calls.dead_letters)
    dead_letter_groups = asked_async(run_calls.dead_letter_groups)
    replay = asked_async(run_calls.replay)
    replay_dead = asked_async(run_calls.replay_dead)

    start_saga = asked_async(saga_calls.start_saga)
    saga = asked_async(saga_calls.saga)
    sagas = listed_async(saga_calls.sagas)
    signal_saga = asked_async(saga_calls.signal_saga)
    cancel_saga = asked_async(saga_calls.cancel_saga)
    breakers = listed_async(saga_calls.breakers)
    open_breaker = asked_async(saga_calls.open_breaker)
    close_breaker = asked_async(saga_calls.close_breaker)

    templates = listed_async(template_calls.templates)
    template = asked_async(template_calls.template)
    create_template = asked_async(template_calls.create_template)
    replace_template = asked_async(template_calls.replace_template)
    delete_template = asked_async(template_calls.delete_template)
    schedule_template = asked_async(template_calls.schedule_template)
    calendar_link = asked_async(template_calls.calendar_link)
    revoke_calendar_links = asked_async(template_calls.revoke_calendar_links)
    calendar = asked_async(template_calls.calendar)

    preview = asked_async(time_calls.preview)
    explain_rule = asked_async(time_calls.explain_rule)
    convert = asked_async(time_calls.convert)
    validate = asked_async(time_calls.validate)

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

    async def cancel(self, event: EventId, *, if_match: str | None = None) -> Cancelled:
        """See `Client.cancel`."""
        try:
            return await self.ask(event_calls.cancel(event, if_match))
        except (NotFound, Changed) as error:
            # An earlier attempt, whose answer was lost, may have done it.
            if error.attempts == 1 or (found := await self.get(event)).status != CANCELLED:
                raise
            return Cancelled(event_id=found.event_id, status=CANCELLED)

    async def stream(self, **followed: Unpack[Followed]) -> AsyncGenerator[Fired | Missed, None]:
        """See `Client.stream`; it has a thread of its own."""
        following = Following(self._transport, followed)
        facts = iter(following)
        thread = ThreadPoolExecutor(1, thread_name_prefix="duly-client-stream")
        loop = asyncio.get_running_loop()
        try:
            while (one := await loop.run_in_executor(thread, next, facts, None)) is not None:
                yield one
        finally:
            following.stop()
            # By the thread that reads it, when that has let go.
            thread.submit(facts.close)
            thread.shutdown(wait=False)

    async def ask(self, call: Call[_Gives], /) -> _Gives:
        """See `Client.ask`."""
        return call.read(await self._send(call.request()))

    async def each(self, listing: Listing[_Gives], /) -> AsyncIterator[_Gives]:
        """See `Client.each`."""
        pages = Pages(listing)
        while pages.call is not None:
            for one in pages.take(await self.ask(pages.call)):
                yield one

    async def _send(self, request: Request) -> Answer:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._pool, thread_name_prefix="duly-client")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._transport.send, request)
