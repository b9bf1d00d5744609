"""What fires, as it fires: nothing is missed, and nobody takes all the room."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import OperationalError, connections, transaction
from django.test import AsyncClient

from duly import telemetry
from duly.models import ScheduledEvent
from duly.rest.stream_reader import (
    HEARTBEAT_SECONDS,
    LONGEST_SECONDS,
    AsyncReader,
    Reader,
    Terms,
)
from duly.rest.streams import Limits, Streams, TooManyStreams, streams
from duly.store import facts, tail
from duly.store.tail import Tail, Wanted
from tests import builders
from tests.builders import NOW
from tests.rest.beyond.conftest import Asker
from tests.tails import await_settled


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def event(using: str) -> ScheduledEvent:
    return builders.stored_event(using, entity_type="appointment", entity_id="42")


@pytest.fixture
def followed(event: ScheduledEvent, using: str, clock: Clock) -> Tail:
    """A tail before which nothing is open."""
    write(event, "scheduled")
    found = Tail(using, monotonic=clock)
    await_settled(found, clock)
    return found


def write(event: ScheduledEvent, fact: str) -> int:
    entry = facts.entry(fact, NOW, event.id, event.id)
    entry.save(using=event._state.db)
    return int(entry.id)


def reader(followed: Tail, clock: Clock, **terms: Any) -> Reader:
    wanted = terms.pop("wanted", Wanted())
    resume = terms.pop("resume", None)
    using = followed._using
    return Reader(using, followed, Terms(wanted, resume, **terms), monotonic=clock)


def told(one: Reader) -> list[int]:
    """Give the ids of what is sent until there is nothing more."""
    found = []
    while text := one.step():
        found += [parsed["id"] for _, parsed in events_in(text)]
    return found


def events_in(text: str) -> Iterator[tuple[dict[str, str], Any]]:
    """Read server-sent events as their standard says."""
    for block in text.split("\n\n"):
        lines = [line.split(": ", 1) for line in block.splitlines() if not line.startswith(":")]
        fields = dict(lines)
        if "data" in fields:
            yield fields, json.loads(fields["data"])


def last_id(text: str) -> int:
    return [int(line[4:]) for line in text.splitlines() if line.startswith("id: ")][-1]


def test_what_happens_is_told_and_what_was_before_is_not(
    event: ScheduledEvent, followed: Tail, clock: Clock
) -> None:
    write(event, "due")
    followed.look()
    one = reader(followed, clock)
    assert told(one) == []

    started = write(event, "started")
    followed.look()

    text = one.step()
    assert text is not None
    ((fields, data),) = events_in(text)
    assert fields["event"] == data["fact"] == "started"
    assert data["id"] == started == int(fields["id"])
    assert (data["type"], data["entity_id"]) == ("reminder", "42")


def test_who_comes_back_gets_what_it_has_not_seen(
    event: ScheduledEvent, followed: Tail, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("duly.rest.stream_reader.PAGE", 2)
    ids = [write(event, "started") for _ in range(5)]
    followed.look()
    one = reader(followed, clock, resume=ids[0])
    later = write(event, "succeeded")
    followed.look()

    assert told(one) == [*ids[1:], later]


@pytest.mark.only_postgres
def test_who_comes_back_while_a_transaction_is_open_misses_nothing(
    event: ScheduledEvent, using: str, followed: Tail, clock: Clock
) -> None:
    one = reader(followed, clock)
    with Slow(event) as slow:
        fast = write(event, "started")
        followed.look()
        text = "".join(iter(lambda: one.step() or "", ""))
        assert [data["id"] for _, data in events_in(text)] == [fast]
        # It has seen a greater id, and is to come back before the one that is open.
        assert last_id(text) < slow.id < fast
        back = reader(followed, clock, resume=last_id(text))
        assert told(back) == [fast]

    followed.look()
    assert told(back) == [slow.id]
    again = reader(followed, clock, resume=last_id(text))
    assert told(again) == [slow.id, fast]


class Slow:
    """A transaction that has written a fact and does not commit before its end."""

    def __init__(self, event: ScheduledEvent) -> None:
        self._event = event
        self._written, self._go_on = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.id = 0

    def _run(self) -> None:
        assert self._event._state.db is not None
        try:
            with transaction.atomic(self._event._state.db):
                self.id = write(self._event, "succeeded")
                self._written.set()
                self._go_on.wait(10)
        finally:
            connections[self._event._state.db].close()

    def __enter__(self) -> Slow:
        self._thread.start()
        assert self._written.wait(10)
        return self

    def __exit__(self, *raised: object) -> None:
        self._go_on.set()
        self._thread.join()


def test_who_reads_too_slowly_gets_the_rest_from_the_database(
    event: ScheduledEvent, using: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "MOST_KEPT", 3)
    write(event, "scheduled")
    followed = Tail(using, monotonic=clock)
    one = reader(followed, clock)
    assert told(one) == []
    ids = []
    for _ in range(8):
        ids.append(write(event, "started"))
        followed.look()

    assert told(one) == ids


def test_more_of_the_past_than_is_gone_through_is_said(
    event: ScheduledEvent, followed: Tail, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("duly.rest.stream_reader.MOST_RESUMED", 2)
    ids = [write(event, "started") for _ in range(5)]
    followed.look()
    one = reader(followed, clock, resume=ids[0])
    one.step()

    gap = one.step()

    assert gap is not None
    ((fields, data),) = events_in(gap)
    assert fields["event"] == "gap"
    assert data == {"after": ids[0], "up_to": ids[2]}
    assert told(one) == ids[3:]


def test_silence_is_broken_by_a_comment_that_moves_the_place_on(
    event: ScheduledEvent, followed: Tail, clock: Clock
) -> None:
    one = reader(followed, clock, wanted=Wanted(service="other"))
    one.step()
    unwanted = write(event, "started")
    followed.look()
    assert one.step() == ""

    clock.seconds += HEARTBEAT_SECONDS

    assert one.step() == f": still here\nid: {unwanted}\n\n"
    assert one.step() == ""


def test_a_stream_ends_after_its_time(followed: Tail, clock: Clock) -> None:
    one = reader(followed, clock, seconds=10)
    one.step()
    clock.seconds += 10

    assert (one.step() or "").startswith(": come back")
    assert one.step() is None


def test_a_stream_ends_where_its_server_says_that_the_client_is_gone(
    followed: Tail, clock: Clock
) -> None:
    one = reader(followed, clock)
    one.is_gone = lambda: True

    assert [text[:7] for text in one] == [b"retry: "]


def test_of_one_caller_only_so_many_are_open_and_of_all(using: str, clock: Clock) -> None:
    opened = Streams(clock)
    limits, terms = Limits(here=3, of_one=2), Terms(Wanted(), None)
    first = opened.open(using, terms, "anna", limits)
    readers = [opened.open(using, terms, "anna", limits)]
    with pytest.raises(TooManyStreams, match="of this key or token"):
        opened.open(using, terms, "anna", limits)
    readers.append(opened.open(using, terms, "bert", limits))
    with pytest.raises(TooManyStreams, match="here"):
        opened.open(using, terms, "carl", limits)

    first.close()
    first.close()
    readers.append(opened.open(using, terms, "carl", limits))
    for one in readers:
        one.close()


def test_what_a_server_never_closed_makes_room_after_its_time(using: str, clock: Clock) -> None:
    opened = Streams(clock)
    limits, terms = Limits(here=1, of_one=1), Terms(Wanted(), None)
    opened.open(using, terms, "anna", limits)
    clock.seconds += LONGEST_SECONDS + 2 * HEARTBEAT_SECONDS + 1

    opened.open(using, terms, "anna", limits).close()


def test_the_thread_ends_with_the_last_stream(using: str) -> None:
    # Threads of the streams of other tests may still be looking for the last time.
    others = set(threading.enumerate())
    opened = Streams()
    one = opened.open(using, Terms(Wanted(), None), "anna", Limits(1, 1))
    (thread,) = [one for one in set(threading.enumerate()) - others if one.name == "duly-stream"]

    one.close()
    thread.join(5)

    assert not thread.is_alive()


def test_a_database_that_goes_away_ends_no_stream(
    using: str, event: ScheduledEvent, monkeypatch: pytest.MonkeyPatch, no_threads_left: None
) -> None:
    faults: list[str] = []
    look = Tail.look

    def broken(self: Tail) -> bool:
        if len(faults) < 2:
            raise OperationalError("the server closed the connection")
        return look(self)

    def hear(name: str, fields: Any) -> None:
        if name == "stream.faulted":
            faults.append(fields["error"])

    monkeypatch.setattr(Tail, "look", broken)
    monkeypatch.setattr("duly.rest.streams.LOOK_SECONDS", 0.01)
    forget = telemetry.subscribe(hear)
    one = streams.open(using, Terms(Wanted(), None), "anna", Limits(1, 1))
    chunks = iter(one)
    until(chunks, ": open")

    id_ = write(event, "died")
    text = until(chunks, "data:")

    forget()
    one.close()
    assert [data["id"] for _, data in events_in(text)] == [id_]
    assert len(faults) == 2


@pytest.fixture
def no_threads_left() -> Iterator[None]:
    yield
    for thread in threading.enumerate():
        if thread.name == "duly-stream":
            thread.join(5)
    assert not streams._open


Wait = Callable[[Iterator[bytes], str], str]


def until(chunks: Iterator[bytes], word: str) -> str:
    """Read on until something is said."""
    found = ""
    while word not in found:
        found += next(chunks).decode()
    return found


def test_a_client_reads_what_fires_for_its_service(
    event: ScheduledEvent, ask: Asker, other: Asker, admin: Asker, no_threads_left: None
) -> None:
    response, others = ask("GET", "stream"), other("GET", "stream?max_seconds=1")
    assert response["Content-Type"] == "text/event-stream"
    assert response["Cache-Control"] == "no-store"
    chunks = iter(response.streaming_content)
    until(chunks, ": open")

    id_ = write(event, "died")
    text = until(chunks, "data:")

    assert [data["id"] for _, data in events_in(text)] == [id_]
    response.close()
    assert "data:" not in b"".join(others.streaming_content).decode()
    others.close()


def test_a_client_resumes_and_narrows(
    event: ScheduledEvent, ask: Asker, no_threads_left: None
) -> None:
    first, died = write(event, "due"), write(event, "died")
    path = "stream?fact=died&type=REMINDER&entity_type=appointment&entity_id=42"
    response = ask("GET", path, Last_Event_ID=str(first - 1))

    text = until(iter(response.streaming_content), "data:")

    assert [data["id"] for _, data in events_in(text)] == [died]
    response.close()


def test_what_is_refused_is_said(using: str, ask: Asker, settings: Any) -> None:
    assert ask("GET", "stream", Last_Event_ID="x").json()["field"] == "Last-Event-ID"
    assert ask("GET", "stream?fact=born").status_code == 422
    assert ask("GET", "stream?max_seconds=0").status_code == 422
    assert ask("GET", "stream?service_id=other").status_code == 403
    settings.DULY = {"DATABASE": using, "STREAMS": 0}
    refused = ask("GET", "stream")
    assert refused.status_code == 429
    assert int(refused["Retry-After"]) > 0


def test_under_asgi_no_thread_is_taken(
    event: ScheduledEvent, using: str, ask: Asker, no_threads_left: None
) -> None:
    async def read() -> str:
        response: Any = await AsyncClient().get("/api/stream?max_seconds=5", headers=ask.headers)
        assert response.is_async
        text = ""
        async for chunk in response:
            text += chunk.decode()
            if ": open" in text and "data:" not in text:
                await asyncio.to_thread(write_elsewhere)
            if "data:" in text:
                break
        response.close()
        return text

    def write_elsewhere() -> None:
        write(event, "succeeded")
        connections[using].close()

    text = asyncio.run(read())

    assert [data["fact"] for _, data in events_in(text)] == ["succeeded"]


def test_an_event_loop_that_goes_away_closes_its_stream(using: str) -> None:
    opened = Streams()
    one = opened.open(using, Terms(Wanted(), None, 1), "anna", Limits(1, 1))

    async def read() -> None:
        async for _ in AsyncReader(one):
            pass

    asyncio.run(read())

    assert not opened._open
