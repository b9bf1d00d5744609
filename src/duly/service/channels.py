"""Connections of the embedded web server: those that take too long make room for others.

waitress ends what is silent. Who sends a byte now and then is never silent (slowloris), nor is
a connection ended whose answer nobody reads: both are ended here.
"""

from __future__ import annotations

import time
from typing import Any

from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import WSGITask

# From the first byte, or from when the connection was opened.
HEADERS_SECONDS = 15.0
# All of a request; 32 MiB come in that time at 3 Mbit/s.
WHOLE_SECONDS = 120.0
# Neither read nor written, as between two requests.
SILENT_SECONDS = 60.0
# Above this share of the connections room is made, down to the lower one.
CROWDED, ROOMY = 0.9, 0.5
# Nobody who sends at once is sent away.
YOUNG_SECONDS = 1.0
# How long a server that stops waits for requests of which only a part has come.
PARTS_SECONDS = 2.0
# And for streams, which have no end of their own, to come to the end of an event.
STREAM_SECONDS = 1.0
CHANNEL = "duly.channel"


class Task(WSGITask):
    """One request, whose application is told which connection it is on."""

    def get_environment(self) -> dict[str, Any]:
        """Give WSGI's environment, with the connection as "duly.channel"."""
        found: dict[str, Any] = super().get_environment()
        found[CHANNEL] = self.channel
        return found


class Channel(HTTPChannel):
    """One connection, which knows how long the present request has been arriving."""

    task_class = Task
    is_stream = False
    """Whether its answer is a stream of server-sent events."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.arriving_since: float | None = self.creation_time

    def received(self, data: bytes) -> bool:
        """Take what has come; runs on the loop's thread."""
        before = self.request
        took = super().received(data)
        if self.request is None:
            self.arriving_since = None
        elif (self.request is not before and before is not None) or self.arriving_since is None:
            self.arriving_since = time.time()
        return bool(took)

    def answer_last(self) -> None:
        """Say in the answer that is about to begin that no other comes on this connection."""
        self.requests[0].headers["CONNECTION"] = "close"

    def is_owed(self) -> bool:
        """Say whether a request has come whose answer has not been sent."""
        return bool(self.requests or self.total_outbufs_len)

    def is_too_slow(self, now: float) -> bool:
        """Say whether its request takes too long to arrive, or its answer to be read."""
        if self.total_outbufs_len and now - self.last_activity > SILENT_SECONDS:
            return True
        if self.arriving_since is None or self.requests:
            return False
        has_headers = self.request is not None and self.request.headers_finished
        longest = WHOLE_SECONDS if has_headers else HEADERS_SECONDS
        return now - self.arriving_since > longest

    def waits_since(self) -> float:
        """Give since when nothing useful has come of it."""
        return self.last_activity if self.arriving_since is None else self.arriving_since


class Server(TcpWSGIServer):
    """The listening socket and its connections, all on one thread."""

    channel_class = Channel
    draining_since = 0.0

    def maintenance(self, now: float) -> None:
        """Make room; waitress asks for it every second."""
        super().maintenance(now)
        channels: list[Channel] = list(self.active_channels.values())
        for channel in channels:
            if channel.is_too_slow(now):
                channel.handle_close()
        limit = self.adj.connection_limit
        left = [channel for channel in channels if channel.connected]
        if len(left) >= CROWDED * limit:
            idle = [one for one in left if not one.is_owed()]
            idle = [one for one in idle if now - one.waits_since() > YOUNG_SECONDS]
            idle.sort(key=Channel.waits_since)
            for channel in idle[: len(left) - int(ROOMY * limit)]:
                channel.handle_close()

    def drain(self) -> None:
        """Accept no more; runs on the loop's thread."""
        self.draining_since = time.time()
        self.accepting = False
        self.del_channel()
        self.socket.close()

    def let_go(self) -> None:
        """Close the connections that wait for nothing."""
        waited = time.time() - self.draining_since
        for channel in list(self.active_channels.values()):
            has_part = waited < PARTS_SECONDS and channel.request
            # Its client comes back by itself, and finds another process.
            is_endless = channel.is_stream and waited > STREAM_SECONDS
            if is_endless or not (channel.is_owed() or has_part):
                channel.handle_close()
