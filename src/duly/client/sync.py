"""The client of the service, for threads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
from duly.client.methods import asked, listed
from duly.client.new_event import NewEvent
from duly.client.results import Cancelled, Fired, Missed, Rejected, Stored

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

    schedule = asked(event_calls.schedule)
    get = asked(event_calls.get)
    upcoming = listed(event_calls.upcoming)
    events = listed(event_calls.events)
    cancel_entity = asked(event_calls.cancel_entity)

    patch = asked(change_calls.patch)
    reschedule = asked(change_calls.reschedule)
    plan = asked(change_calls.plan)
    explain = asked(change_calls.explain)
    pause = asked(change_calls.pause)
    resume = asked(change_calls.resume)
    trigger = asked(change_calls.trigger)
    skip = asked(change_calls.skip)
    move = asked(change_calls.move)
    backfill = asked(change_calls.backfill)

    occurrences = listed(run_calls.occurrences)
    occurrence = asked(run_calls.occurrence)
    ledger = listed(run_calls.ledger)
    dead_letters = listed(run_calls.dead_letters)
    dead_letter_groups = asked(run_calls.dead_letter_groups)
    replay = asked(run_calls.replay)
    replay_dead = asked(run_calls.replay_dead)

    start_saga = asked(saga_calls.start_saga)
    saga = asked(saga_calls.saga)
    sagas = listed(saga_calls.sagas)
    signal_saga = asked(saga_calls.signal_saga)
    cancel_saga = asked(saga_calls.cancel_saga)
    breakers = listed(saga_calls.breakers)
    open_breaker = asked(saga_calls.open_breaker)
    close_breaker = asked(saga_calls.close_breaker)

    templates = listed(template_calls.templates)
    template = asked(template_calls.template)
    create_template = asked(template_calls.create_template)
    replace_template = asked(template_calls.replace_template)
    delete_template = asked(template_calls.delete_template)
    schedule_template = asked(template_calls.schedule_template)
    calendar_link = asked(template_calls.calendar_link)
    revoke_calendar_links = asked(template_calls.revoke_calendar_links)
    calendar = asked(template_calls.calendar)

    preview = asked(time_calls.preview)
    explain_rule = asked(time_calls.explain_rule)
    convert = asked(time_calls.convert)
    validate = asked(time_calls.validate)

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

    def cancel(self, event: EventId, *, if_match: str | None = None) -> Cancelled:
        """Cancel an event, and its occurrences that have not begun.

        if_match: the `etag` of the event as it was read; it must not have changed since.

        Raises NotFound, also where nothing of it is to come; Conflict where it runs; Changed.
        """
        try:
            return self.ask(event_calls.cancel(event, if_match))
        except (NotFound, Changed) as error:
            # An earlier attempt, whose answer was lost, may have done it.
            if error.attempts == 1 or (found := self.get(event)).status != CANCELLED:
                raise
            return Cancelled(event_id=found.event_id, status=CANCELLED)

    def stream(self, **followed: Unpack[Followed]) -> Iterator[Fired | Missed]:
        """Give each fact about a firing as it happens, for ever; each comes once.

        type, entity, service: of the event. facts: such as ["succeeded", "died"]; without them
            all about firings.
        after: the `place` of a fact that was given before, to go on after it; without one, from
            now on. `Missed` says what lies too far back to be told.
        seconds: ends after so many; None: never by itself.

        A connection that ends or breaks is followed by another one that misses nothing. Raises
        ClientError where none can be had, as any other call.
        """
        yield from Following(self._transport, followed)

    def ask(self, call: Call[_Gives], /) -> _Gives:
        """Give what any call reads; there are methods for those that the service answers."""
        return call.read(self._transport.send(call.request()))

    def each(self, listing: Listing[_Gives], /) -> Iterator[_Gives]:
        """Give the rows of any list, page by page."""
        pages = Pages(listing)
        while pages.call is not None:
            yield from pages.take(self.ask(pages.call))
