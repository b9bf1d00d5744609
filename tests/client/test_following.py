"""A stream goes on where it broke off, tells each fact once, and ends when it is told to."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from typing import Any
from uuid import uuid4

import pytest

from duly.client import AsyncClient, Client, Patience, Unauthorized
from duly.client.results import Fired, Missed
from tests.client.scripted import Says, Scripted, scripted

EVENT = str(uuid4())
SOON = b"retry: 0\n\n"


def fact(id_: int, place: int) -> bytes:
    data = {
        "id": id_,
        "at": "2031-01-01T00:00:00+00:00",
        "fact": "due",
        "event_id": EVENT,
        "type": "reminder",
        "service_id": "mine",
    }
    return f"id: {place}\nevent: due\ndata: {json.dumps(data)}\n\n".encode()


def said(*parts: bytes) -> Says:
    return Says(headers={"content-type": "text/event-stream"}, raw=SOON + b"".join(parts))


def client(server: Scripted) -> Client:
    return Client(server.url, service="mine", api_key="duly_k", retries=Patience(base=0))


def ids(found: Any, count: int) -> list[int]:
    return [one.id for one in islice(found, count)]


def test_it_comes_back_with_the_place_and_tells_each_fact_once() -> None:
    first = said(fact(1, 1), fact(3, 1))
    with scripted(first, Says(breaks_off=True), said(fact(2, 3), fact(3, 3), fact(4, 4))) as server:
        found = ids(client(server).stream(), 4)

    assert found == [1, 3, 2, 4]
    places = [one.headers.get("Last-Event-ID") for one in server.asked]
    assert places == [None, "1", "1"]


def test_a_comment_moves_the_place_on() -> None:
    with scripted(said(b": still here\nid: 77\n\n"), said(fact(78, 78))) as server:
        ids(client(server).stream(after="70"), 1)

    assert [one.headers["Last-Event-ID"] for one in server.asked] == ["70", "77"]


def test_what_is_asked_for_is_in_the_address() -> None:
    with scripted(said(fact(1, 1))) as server:
        ids(client(server).stream(entity=("patient", 7), facts=["due", "died"], seconds=60), 1)

    query = server.asked[0].path.partition("?")[2].split("&")
    assert {"entity_type=patient", "entity_id=7", "fact=due", "fact=died"} <= set(query)
    assert any(one.startswith("max_seconds=") for one in query)


def test_what_lies_too_far_back_is_said() -> None:
    gap = b'event: gap\ndata: {"after": 1, "up_to": 5}\n\n'
    with scripted(said(gap, fact(6, 6))) as server:
        missed, fired = islice(client(server).stream(after="1"), 2)

    assert missed == Missed(after=1, up_to=5)
    assert isinstance(fired, Fired)
    assert fired.place == "6"


def test_a_refusal_ends_it() -> None:
    refused = Says(401, {"title": "Unauthorized"})
    with scripted(said(), refused) as server, pytest.raises(Unauthorized):
        next(client(server).stream())


def test_a_name_alone_is_no_list_of_facts() -> None:
    with scripted(said()) as server, pytest.raises(ValueError, match=r"write \['due'\]"):
        next(client(server).stream(facts="due"))


class _Silent(BaseHTTPRequestHandler):
    """Begins a stream, and says no more until the client is gone."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        self.wfile.write(fact(1, 1))
        self.wfile.flush()
        self.connection.recv(1)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


@contextmanager
def silent() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Silent) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(5)


def test_a_coroutine_that_is_cancelled_lets_go_of_its_stream_at_once() -> None:
    async def follow(url: str) -> list[int]:
        found = []
        async with AsyncClient(url, service="mine", api_key="duly_k") as duly:

            async def read() -> None:
                async for one in duly.stream():
                    assert isinstance(one, Fired)
                    found.append(one.id)
                    got.set()

            got = asyncio.Event()
            task = asyncio.create_task(read())
            await got.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        return found

    with silent() as url:
        assert asyncio.run(follow(url)) == [1]
        for thread in threading.enumerate():
            if thread.name.startswith("duly-client-stream"):
                thread.join(5)
                assert not thread.is_alive()
