"""What fires, followed as it fires, over as many connections as it takes."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import TypedDict

from duly.client.calls import given
from duly.client.event_stream import EventStream, Message
from duly.client.new_event import Entity, entity_of
from duly.client.reading import result
from duly.client.results import Fired, Missed
from duly.client.transport import Opened, Request, Transport, parsed

LONGEST_SECONDS = 300
"""Of one connection."""
RETRY_SECONDS = 1.0
# So many ids are remembered before those are let go that cannot come again.
_TIDIED = 1000


class Followed(TypedDict, total=False):
    """What is followed, and from where."""

    type: str | None
    entity: Entity | None
    service: str | None
    facts: Sequence[str]
    after: str
    seconds: float | None


class Following:
    """One stream, read by one thread; any other may stop it.

    Each fact comes once: what the service sends again after a connection that broke is left
    out, by its id.
    """

    def __init__(
        self,
        transport: Transport,
        followed: Followed,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        kind, id_ = entity_of(followed.get("entity"))
        facts = followed.get("facts", ())
        if isinstance(facts, str):
            raise ValueError(f"facts must be a list of names, got {facts!r}; write [{facts!r}]")
        self._query: dict[str, str | list[str]] = given(
            type=followed.get("type"),
            entity_type=kind,
            entity_id=id_,
            service_id=followed.get("service"),
            fact=list(facts) or None,
        )
        seconds = followed.get("seconds")
        if seconds is not None and not 0 < seconds < math.inf:
            raise ValueError(f"seconds must be more than 0, or None for ever, got {seconds!r}")
        self._transport, self._monotonic = transport, monotonic
        self._ends_at = math.inf if seconds is None else monotonic() + seconds
        self._place = followed.get("after", "")
        self._seen: set[int] = set()
        self._stopped = threading.Event()
        self._opened: Opened | None = None

    def stop(self) -> None:
        """Let the thread that reads come to an end at once."""
        self._stopped.set()
        if (opened := self._opened) is not None:
            opened.stop()

    def __iter__(self) -> Generator[Fired | Missed, None, None]:
        retry = RETRY_SECONDS
        while (left := self._ends_at - self._monotonic()) > 0 and not self._stopped.is_set():
            opened = self._opened = self._transport.open(self._request(left))
            stream = EventStream(self._place)
            try:
                for piece in opened.pieces():
                    for message in stream.feed(piece):
                        self._place = message.last_id
                        if (told := self._told(message)) is not None:
                            yield told
                    self._place = stream.last_id
            finally:
                opened.close()
            retry = retry if stream.retry is None else stream.retry
            left = self._ends_at - self._monotonic()
            self._stopped.wait(max(0.0, min(retry, left)))

    def _request(self, left: float) -> Request:
        seconds = max(1, math.ceil(min(left, LONGEST_SECONDS)))
        place = {"Last-Event-ID": self._place} if self._place else {}
        return Request(
            method="GET",
            path="/api/stream",
            query=self._query | {"max_seconds": str(seconds)},
            headers={"Accept": "text/event-stream", "Cache-Control": "no-store", **place},
        )

    def _told(self, message: Message) -> Fired | Missed | None:
        data = parsed(message.data.encode())
        if message.event == "gap":
            return result(Missed, data)
        fired = replace(result(Fired, data), place=message.last_id)
        if fired.id in self._seen:
            return None
        self._seen.add(fired.id)
        if len(self._seen) > _TIDIED and message.last_id.isdigit():
            # Whoever comes back to a place gets what lies behind it.
            self._seen = {one for one in self._seen if one > int(message.last_id)}
        return fired
