"""What one client of the stream reads: server-sent events, from where it left off.

Source: HTML Living Standard, 9.2 "Server-sent events".
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connections

from duly.store import tail
from duly.store.seals import is_in
from duly.store.tail import Fired, Place, Tail, Wanted

HEARTBEAT_SECONDS = 15.0
LONGEST_SECONDS = 300
# A client waits so long before it comes back.
RETRY_MILLISECONDS = 1_000
# For one who comes back, so many ids of the past are gone through.
MOST_RESUMED = 1_000_000
PAGE = 500
# How often an event loop looks whether there is something new; a comparison of two numbers.
GLANCE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Terms:
    """What a client wants."""

    wanted: Wanted
    resume: int | None
    """The id of the ledger to go on after; None: from now on."""
    seconds: float = LONGEST_SECONDS
    """How long the stream lasts at most."""


class Reader:
    """One open stream, read by one thread at a time, and closed by whoever serves it.

    Each event names the id to resume after. While a transaction may still bring an entry with
    a smaller id, that is the id before it: whoever comes back then gets some a second time, and
    misses none.
    """

    def __init__(
        self,
        using: str,
        tail: Tail,
        terms: Terms,
        *,
        wait: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Build it.

        wait: returns when there may be something new, or after so many seconds.
        """
        self.on_close: Callable[[Reader], None] = lambda reader: None
        # Where a server can say so; others find out when they next write.
        self.is_gone: Callable[[], bool] = lambda: False
        self._using, self._tail, self._wanted = using, tail, terms.wanted
        self._wait, self._monotonic = wait, monotonic
        self._ends_at = monotonic() + terms.seconds
        self._beats_at = 0.0
        place = tail.place
        self._number = place.number
        resume = place.settled if terms.resume is None else terms.resume
        self._resume_after = min(resume, place.settled)
        self._given_early: set[int] = set()
        self._holds_connection = True
        # What lies between both may have been sent, or not: it is sent.
        is_behind = terms.resume is not None and terms.resume < place.end
        self._past = self._read_past(self._resume_after, place) if is_behind else None
        self._steps = self._all_steps()

    @property
    def is_overdue(self) -> bool:
        """Whether it should long have ended."""
        return self._monotonic() > self._ends_at + 2 * HEARTBEAT_SECONDS

    def close(self) -> None:
        """Let go of it; again does nothing."""
        self.on_close(self)

    def __iter__(self) -> Iterator[bytes]:
        """Give the text to a server of threads, of which this takes one."""
        for text in self._steps:
            if text:
                yield text.encode()
            elif self.is_gone():
                return
            else:
                self._wait(self._patience())

    def step(self) -> str | None:
        """Give what is to be sent now: nothing where there is nothing, None at the end."""
        return next(self._steps, None)

    @property
    def needs_thread(self) -> bool:
        """Whether the next step has to do with the database, which an event loop may not."""
        return self._holds_connection

    def _all_steps(self) -> Iterator[str]:
        self._beats_at = self._monotonic() + HEARTBEAT_SECONDS
        yield f"retry: {RETRY_MILLISECONDS}\n{_comment('open', self._resume_after)}"
        # The thread that asked who calls has a connection, which is of no more use to it.
        self._let_go()
        while self._monotonic() < self._ends_at:
            if self._past is not None:
                text = next(self._past, None)
                if text is None:
                    self._past = None
                    self._let_go()
                    continue
            else:
                text = self._fresh()
            now = self._monotonic()
            if not text and now >= self._beats_at:
                text = _comment("still here", self._resume_after)
            if text:
                self._beats_at = now + HEARTBEAT_SECONDS
            yield text
        yield _comment("come back", self._resume_after)

    def _fresh(self) -> str:
        kept = self._tail.since(self._number)
        if kept is None:
            # It reads more slowly than things happen: the rest it gets from the database.
            place = self._tail.place
            self._number = place.number
            self._past = self._read_past(self._resume_after, place)
            self._holds_connection = True
            return ": fell behind\n\n"
        self._number += len(kept)
        if kept:
            self._resume_after = kept[-1].settled
        elif (place := self._tail.place).number == self._number:
            # Gaps may have closed without anything in them.
            self._resume_after = place.settled
        return "".join(
            _event(one.fired, one.settled)
            for one in kept
            if self._wanted.takes(one.fired) and one.fired.id not in self._given_early
        )

    def _read_past(self, after: int, place: Place) -> Iterator[str]:
        """Read what the database has up to where the tail was; what is late the tail brings."""
        if place.end - after > MOST_RESUMED:
            missed = {"after": after, "up_to": place.end - MOST_RESUMED}
            after = place.end - MOST_RESUMED
            yield f"event: gap\ndata: {json.dumps(missed)}\n\n"
        self._given_early.clear()
        while after < place.end:
            found, after = tail.read(self._using, after, place.end, PAGE)
            # The tail will bring these again.
            self._given_early |= {one.id for one in found if is_in(place.gaps, one.id)}
            self._resume_after = min(after, place.settled)
            if text := "".join(
                _event(one, min(one.id, place.settled)) for one in found if self._wanted.takes(one)
            ):
                yield text
        self._resume_after = place.settled

    def _patience(self) -> float:
        return max(0.0, min(self._ends_at, self._beats_at) - self._monotonic())

    def _let_go(self) -> None:
        self._holds_connection = False
        connection = connections[self._using]
        if not connection.in_atomic_block:
            connection.close()


class AsyncReader:
    """The same for an event loop, of which no thread is taken but to ask the database."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def close(self) -> None:
        """Let go of it."""
        self._reader.close()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        reader = self._reader
        try:
            while True:
                needs = reader.needs_thread
                text = await sync_to_async(reader.step)() if needs else reader.step()
                if text is None:
                    return
                if text:
                    yield text.encode()
                else:
                    await asyncio.sleep(GLANCE_SECONDS)
        finally:
            reader.close()


def _event(fired: Fired, resume_after: int) -> str:
    data: dict[str, Any] = {
        "id": fired.id,
        "at": fired.at.isoformat(),
        "fact": fired.fact,
        "event_id": str(fired.event_id),
        "occurrence_id": str(fired.occurrence_id) if fired.occurrence_id else None,
        "attempt": fired.attempt,
        "type": fired.event_type,
        "service_id": fired.service,
        "entity_type": fired.entity_type or None,
        "entity_id": fired.entity_id or None,
        "error": fired.error or None,
    }
    return f"id: {resume_after}\nevent: {fired.fact}\ndata: {json.dumps(data)}\n\n"


def _comment(said: str, resume_after: int) -> str:
    # Without data nothing is dispatched, and the id is remembered all the same.
    return f": {said}\nid: {resume_after}\n\n"
