"""The embedded web server: waitress in threads of this process, with a stop that is graceful."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.task import ThreadedTaskDispatcher

from duly.errors import ConfigurationError
from duly.service.channels import CHANNEL, SILENT_SECONDS, Channel, Server
from duly.service.options import ServiceOptions

MAX_HEADER_BYTES = 32 * 2**10
BACKLOG = 1024
# How often the loop looks up where nothing happens; signals reach it by its trigger.
LOOK_SECONDS = 1.0
DRAIN_LOOK_SECONDS = 0.02
IDLE_SECONDS = 1.0

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebOptions:
    """How the embedded server runs."""

    threads: int
    """Requests answered at once; each stream of server-sent events has one of its own."""
    service: ServiceOptions


def listen(host: str, port: int) -> socket.socket:
    """Bind a TCP socket, which accepts nothing yet. port: 0 is any that is free.

    Raises ConfigurationError where the host is unknown, OSError where the port is taken.
    """
    flags = socket.AI_PASSIVE
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=flags)
    except (socket.gaierror, UnicodeError, OverflowError) as error:
        raise ConfigurationError(
            f"--host {host!r} is no address of this machine: {error}"
        ) from None
    family, kind, protocol, _, address = found[0]
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(address[0] != "::"))
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made


class WebServer:
    """Serves a WSGI application on a socket.

    ended: called where its loop ends by itself, which is a fault.
    """

    def __init__(
        self,
        application: Application,
        listener: socket.socket,
        options: WebOptions,
        ended: Callable[[], None],
    ) -> None:
        self._ended = ended
        self._stopping = threading.Event()
        self._tasks = ThreadedTaskDispatcher()
        self._tasks.set_thread_count(options.threads)
        self._map: dict[int, Any] = {}
        self._server = Server(
            _ending_streams(application, self._stopping),
            self._map,
            False,
            listener,
            dispatcher=self._tasks,
            adj=_adjustments(options),
            bind_socket=False,
            sockinfo=(listener.family, listener.type, listener.proto, listener.getsockname()),
        )
        self._deadline = float("inf")
        self._is_clean = False
        self._thread = threading.Thread(target=self._run, name="duly-web", daemon=True)

    def start(self) -> None:
        """Accept connections."""
        self._server.accept_connections()
        self._thread.start()

    def drain(self, seconds: float) -> None:
        """Accept no more, and give what has been asked so long to be answered; returns at once.

        Again, it only sets another time.
        """
        self._deadline = time.monotonic() + seconds
        if not self._stopping.is_set():
            self._stopping.set()
            self._server.trigger.pull_trigger()

    def join(self) -> bool:
        """Wait until all is answered, or the time is over; says whether all was."""
        self._thread.join()
        return self._is_clean

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                wasyncore.loop(LOOK_SECONDS, use_poll=True, map=self._map, count=1)
            self._finish()
        finally:
            if not self._stopping.is_set():
                self._ended()

    def _finish(self) -> None:
        self._server.drain()
        while time.monotonic() < self._deadline:
            wasyncore.loop(DRAIN_LOOK_SECONDS, use_poll=True, map=self._map, count=1)
            self._server.let_go()
            if not self._server.active_channels:
                self._is_clean = True
                break
        # Idle threads end at once; those that are not done are left.
        self._tasks.shutdown(timeout=IDLE_SECONDS if self._is_clean else 0)
        for channel in list(self._server.active_channels.values()):
            channel.handle_close()
        with suppress(OSError):
            self._server.trigger.close()


def _adjustments(options: WebOptions) -> Adjustments:
    service = options.service
    proxy: dict[str, Any] = {}
    if service.trusted_proxy:
        proxy = {
            "trusted_proxy": service.trusted_proxy,
            "trusted_proxy_count": 1,
            "trusted_proxy_headers": "x-forwarded-for x-forwarded-host x-forwarded-proto",
        }
    return Adjustments(
        threads=options.threads,
        ident=None,
        backlog=BACKLOG,
        asyncore_use_poll=True,
        connection_limit=service.connections,
        channel_timeout=int(SILENT_SECONDS),
        cleanup_interval=1,
        max_request_header_size=MAX_HEADER_BYTES,
        max_request_body_size=service.max_body_bytes,
        # So that a client that goes away is noticed while its stream runs.
        channel_request_lookahead=1,
        log_socket_errors=False,
        clear_untrusted_proxy_headers=True,
        **proxy,
    )


def _ending_streams(application: Application, stopping: threading.Event) -> Application:
    """Let streams of server-sent events end with the next event once the server stops."""

    def ending(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        is_stream = False

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            nonlocal is_stream
            is_stream = any(
                name.lower() == "content-type" and value.startswith("text/event-stream")
                for name, value in headers
            )
            channel: Channel = environ[CHANNEL]
            channel.is_stream = is_stream
            if stopping.is_set():
                channel.answer_last()
            return start_response(status, headers, *rest)

        body = application(environ, start)
        return _until(stopping, body) if is_stream else body

    return ending


def _until(stopping: threading.Event, body: Iterable[bytes]) -> Iterator[bytes]:
    try:
        for chunk in body:
            yield chunk
            if stopping.is_set():
                return
    finally:
        close = getattr(body, "close", None)
        if close:
            close()
