"""The embedded web server against clients that are slow, large, or gone."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from duly.errors import ConfigurationError
from duly.service import channels
from duly.service.options import ServiceOptions
from duly.service.web_server import Application, WebOptions, WebServer, listen

KEEP = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
CLOSE = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
CONNECTIONS = 20

Start = Callable[..., tuple[WebServer, int]]


def hello(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer at once."""
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start servers that take twenty connections and a megabyte; gives each with its port."""
    with ExitStack() as stack:

        def started(application: Application, proxy: str = "") -> tuple[WebServer, int]:
            listener = listen("127.0.0.1", 0)
            service = ServiceOptions(
                connections=CONNECTIONS, max_body_bytes=2**20, trusted_proxy=proxy
            )
            server = WebServer(
                application, listener, WebOptions(threads=4, service=service), lambda: None
            )
            server.start()
            stack.callback(server.join)
            stack.callback(server.drain, 0)
            return server, listener.getsockname()[1]

        yield started


def said(port: int, request: bytes) -> bytes:
    """Send a request, and read until the connection is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(request)
        return rest_of(connection)


def rest_of(connection: socket.socket) -> bytes:
    """Read until the other side closes."""
    found = b""
    try:
        while part := connection.recv(65_536):
            found += part
    except ConnectionError:
        pass
    return found


def opened(stack: ExitStack, port: int, first: bytes = b"") -> socket.socket:
    """Open a connection that stays, and send something."""
    made = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
    made.sendall(first)
    return made


def drip(connections: list[socket.socket], over: threading.Event) -> None:
    """Send a byte of a header now and then, as slowloris does."""
    while not over.wait(0.1):
        for connection in connections:
            try:
                connection.sendall(b"a")
            except OSError:
                continue


def test_slow_clients_that_take_all_connections_do_not_keep_others_out(start: Start) -> None:
    _, port = start(hello)
    over = threading.Event()
    with ExitStack() as stack:
        slow = [opened(stack, port, b"GET / HTTP/1.1\r\nX-") for _ in range(3 * CONNECTIONS)]
        dripping = threading.Thread(target=drip, args=(slow, over))
        dripping.start()
        try:
            answers = [said(port, CLOSE) for _ in range(5)]
        finally:
            over.set()
            dripping.join()

    assert all(answer.endswith(b"hello") for answer in answers)


def test_headers_that_do_not_come_end_the_connection(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "HEADERS_SECONDS", 0.5)
    _, port = start(hello)
    over = threading.Event()
    with ExitStack() as stack:
        slow = opened(stack, port, b"GET / HTTP/1.1\r\nX-")
        dripping = threading.Thread(target=drip, args=([slow], over))
        dripping.start()
        try:
            assert rest_of(slow) == b""
        finally:
            over.set()
            dripping.join()


def test_a_body_may_take_longer_than_headers_but_not_for_ever(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "HEADERS_SECONDS", 0.1)
    monkeypatch.setattr(channels, "WHOLE_SECONDS", 2.5)
    _, port = start(hello)
    post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
    with ExitStack() as stack:
        began = time.monotonic()
        slow = opened(stack, port, post + b"half")

        assert rest_of(slow) == b""
        assert time.monotonic() - began > 2.4


def test_an_answer_that_nobody_reads_is_given_up(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "SILENT_SECONDS", 0.5)
    gone = threading.Event()

    def endless(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        try:
            while True:
                yield b"x" * 2**20
        finally:
            gone.set()

    _, port = start(endless)
    with ExitStack() as stack:
        opened(stack, port, KEEP)

        assert gone.wait(20)


def test_a_body_that_is_too_large_is_refused_before_it_has_come(start: Start) -> None:
    _, port = start(hello)

    answer = said(port, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 413 ")


def test_headers_that_are_too_large_are_refused(start: Start) -> None:
    _, port = start(hello)

    answer = said(port, b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 40_000 + b"\r\n\r\n")

    assert b" 431 Request Header Fields Too Large" in answer


def test_a_stop_answers_what_has_been_asked_and_closes_what_waits(start: Start) -> None:
    asked, may_answer = threading.Event(), threading.Event()

    def patient(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        asked.set()
        may_answer.wait()
        return hello(environ, start_response)

    server, port = start(patient)
    with ExitStack() as stack:
        busy, idle = opened(stack, port, KEEP), opened(stack, port)
        asked.wait()

        server.drain(20)

        assert rest_of(idle) == b""
        may_answer.set()
        answer = rest_of(busy)

    assert answer.endswith(b"hello")
    assert b"Connection: close" in answer
    assert server.join() is True


def test_a_stop_waits_no_longer_than_it_may(start: Start) -> None:
    asked, over = threading.Event(), threading.Event()

    def stuck(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        asked.set()
        over.wait()
        return hello(environ, start_response)

    server, port = start(stuck)
    with ExitStack() as stack:
        opened(stack, port, KEEP)
        asked.wait()

        server.drain(0.2)

        assert server.join() is False
        over.set()


def test_a_stream_of_events_ends_with_the_next_one_when_the_server_stops(start: Start) -> None:
    began = threading.Event()

    def events() -> Iterator[bytes]:
        while True:
            yield b": here\n\n"
            began.set()
            time.sleep(0.05)

    def stream(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        return events()

    server, port = start(stream)
    with ExitStack() as stack:
        listening = opened(stack, port, KEEP)
        began.wait()

        server.drain(20)

        # Whole: the last chunk of all says that no more comes.
        assert rest_of(listening).endswith(b"0\r\n\r\n")
    assert server.join() is True


def test_a_stream_in_which_nothing_happens_does_not_hold_up_a_stop(start: Start) -> None:
    began, over = threading.Event(), threading.Event()

    def stream(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        yield b": here\n\n"
        began.set()
        over.wait()

    server, port = start(stream)
    with ExitStack() as stack:
        stack.callback(over.set)
        listening = opened(stack, port, KEEP)
        began.wait()

        server.drain(20)

        rest_of(listening)
        assert server.join() is True


def test_a_client_that_leaves_its_stream_is_noticed_at_once(start: Start) -> None:
    began, left = threading.Event(), threading.Event()

    def stream(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        try:
            while True:
                yield b": here\n\n"
                began.set()
                time.sleep(0.05)
        finally:
            left.set()

    _, port = start(stream)
    with ExitStack() as stack:
        opened(stack, port, KEEP)
        began.wait()

    assert left.wait(20)


@pytest.mark.parametrize(
    ("proxy", "told"),
    [
        pytest.param("", b"127.0.0.1 http x", id="nobody-is-believed"),
        pytest.param("127.0.0.1", b"192.0.2.7 https duly.example", id="the-proxy-is-believed"),
        pytest.param("192.0.2.1", b"127.0.0.1 http x", id="another-is-not"),
    ],
)
def test_only_a_proxy_that_is_trusted_says_who_asked(start: Start, proxy: str, told: bytes) -> None:
    def echo(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [])
        names = ("REMOTE_ADDR", "wsgi.url_scheme", "HTTP_HOST")
        return [" ".join(environ[name] for name in names).encode()]

    _, port = start(echo, proxy)

    answer = said(
        port,
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Forwarded-For: 192.0.2.7\r\n"
        b"X-Forwarded-Proto: https\r\nX-Forwarded-Host: duly.example\r\n\r\n",
    )

    assert told in answer


def test_an_address_of_another_machine_is_said_to_be_none_of_ours() -> None:
    with pytest.raises(ConfigurationError, match=r"'no\.such\.invalid' is no address"):
        listen("no.such.invalid", 8005)


def test_every_address_of_this_machine_can_be_served() -> None:
    with listen("::", 0) as both:
        both.listen()
        with socket.create_connection(("127.0.0.1", both.getsockname()[1])):
            pass
