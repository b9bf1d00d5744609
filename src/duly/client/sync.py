"""The client of the service, for threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack
from uuid import UUID

from duly.client import event_calls, time_calls
from duly.client.calls import Call, Page, following
from duly.client.credentials import Credentials
from duly.client.event_calls import EventId, Looked
from duly.client.new_event import EventOptions, NewEvent
from duly.client.patience import Patience
from duly.client.results import (
    Cancelled,
    Conversion,
    EntityCancelled,
    Event,
    Scheduled,
    Upcoming,
    Validation,
)
from duly.client.times import Rule
from duly.client.transport import DEFAULT_POOL, DEFAULT_TIMEOUT, Options, Transport

_Gives = TypeVar("_Gives")


class Client:
    """Speaks with one service; may be used by many threads at once.

    ::

        with Client("https://events.example", service="billing", api_key=KEY) as duly:
            duly.schedule("reminder", datetime(2031, 3, 30, 9), timezone="Australia/Sydney")

    url: of the service, with the path that it is mounted at, if there is one.
    service, api_key: a key and whose it is. token: in their place, a JSON Web Token, or what
        gives one, which is called for each request.
    timeout: seconds without a byte after which an attempt has failed.
    retries: attempts after the first, or a `Patience`. Connections that fail, 429, 502, 503 and
        504 are tried again, after what `Retry-After` says or a little, at random; every change
        carries an idempotency key, so that what was done already is not done twice.
    pool: connections kept open. ca_file: authorities that may sign its certificate, in PEM.

    Nothing is connected before the first call. Every method raises `ClientError`: the errors
    are in `duly.client.errors`. Raises ValueError for arguments that cannot work, and
    ImportError where urllib3 is missing.
    """

    def __init__(  # noqa: PLR0913 - by keyword
        self,
        url: str,
        *,
        service: str = "",
        api_key: str = "",
        token: Callable[[], str] | str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        retries: int | Patience = 4,
        pool: int = DEFAULT_POOL,
        ca_file: str | None = None,
    ) -> None:
        patience = retries if isinstance(retries, Patience) else Patience(retries=retries)
        self._transport = Transport(
            url,
            Credentials(service=service, api_key=api_key, token=token),
            Options(timeout=timeout, patience=patience, pool=pool, ca_file=ca_file),
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._transport.url!r})"

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

    def get(self, event: EventId) -> Event:
        """Give an event, by its id or its key. Raises NotFound."""
        return self._give(event_calls.get(event))

    def upcoming(self, **looked: Unpack[Looked]) -> Iterator[Upcoming]:
        """Give the firings to come, soonest first; recurring events several times.

        entity: (type, id), or an id. service: whose, for those who see others'.
        start, end: aware; [start, end). timezone: in which the times are given.
        limit: at most so many; pages are fetched as they are needed.
        """
        yield from self._each(event_calls.upcoming(looked), looked.get("limit"))

    def cancel(self, event: EventId, *, if_match: str | None = None) -> Cancelled:
        """Cancel an event, and its occurrences that have not begun.

        if_match: the `etag` of the event as it was read; it must not have changed since.

        Raises NotFound, and Changed.
        """
        return self._give(event_calls.cancel(event, if_match))

    def cancel_entity(self, entity: tuple[str, object] | str | int | UUID) -> EntityCancelled:
        """Cancel every live event of an entity: (type, id), or an id, whatever its type."""
        return self._give(event_calls.cancel_entity(entity))

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

    def _give(self, call: Call[_Gives]) -> _Gives:
        return call.read(self._transport.send(call.request()))

    def _each(self, first: Call[Page[_Gives]], limit: int | None) -> Iterator[_Gives]:
        call: Call[Page[_Gives]] | None = first
        left = limit
        while call is not None:
            page = self._give(call)
            rows = page.rows if left is None else page.rows[:left]
            yield from rows
            left = None if left is None else left - len(rows)
            call = following(call, page) if left is None or left > 0 else None
