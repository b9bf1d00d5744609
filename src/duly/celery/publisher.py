"""Publish: occurrences become messages for Celery's workers.

A message names an occurrence and an attempt, and nothing else: it carries no payload and no
authority. It is never given an ETA or a countdown: waiting is the database's.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from celery import Celery
from kombu import Connection, Producer

from duly import clock, registry, tracing
from duly.celery.confirms import Confirms
from duly.celery.project import project_app
from duly.celery.tasks import NAME
from duly.conf import config
from duly.errors import BrokerUnavailable
from duly.policy.handling import HIGHEST_PRIORITY, Handling
from duly.store.rows import Claim

# The lease ends an attempt whose time is up, as everywhere; these free its process afterwards.
SOFT_MARGIN = timedelta(seconds=1)
HARD_MARGIN = timedelta(seconds=6)
# A broker that takes longer than this is down: what it should have taken waits.
PUBLISH_SECONDS = 5.0
# One that fails sooner may have been restarted since the last message.
SLOW_SECONDS = 1.0
_CONNECTION_OPTIONS: dict[str, dict[str, Any]] = {
    # Confirmed by the batch, see `duly.celery.confirms`.
    "amqp": {"confirm_publish": False, "read_timeout": PUBLISH_SECONDS},
    "redis": {"socket_timeout": PUBLISH_SECONDS, "socket_connect_timeout": PUBLISH_SECONDS},
}

HeadersOf = Callable[[Claim], Mapping[str, str]]


@dataclass(slots=True)
class _Line:
    """An open connection to the broker."""

    producer: Producer
    confirms: Confirms | None
    """None where the broker confirms by answering each command."""
    pid: int
    kind: str
    """Of broker, as kombu names it."""
    is_declared: bool = False
    """Whether the queue has been declared on it."""

    def close(self) -> None:
        # A connection that came with a fork is the parent's to close.
        if self.pid == os.getpid():
            self.producer.connection.collect()


class CeleryPublisher:
    """Publishes `duly.process_event` to one queue of a Celery app.

    queue: the name of the queue that the service's workers consume.
    app: None is the project's; see `duly.celery.project`.
    priority: 0 to 9, of events that have none of their own; None is the broker's default.
    headers_of: gives headers to add to a message; None of its own, `traceparent` where there
        is a trace.
    """

    def __init__(
        self,
        queue: str,
        *,
        app: Celery | None = None,
        priority: int | None = None,
        headers_of: HeadersOf = tracing.headers_of,
    ) -> None:
        self._queue = queue
        self._app = app
        self._priority = priority
        self._headers_of = headers_of
        self._origin = f"duly@{socket.gethostname()}"
        self._lock = threading.Lock()
        self._line: _Line | None = None

    def publish(self, claims: Sequence[Claim]) -> None:
        """Publish a message for the next attempt of each claim; confirmed, where the broker can.

        Raises BrokerUnavailable where the broker does not take them all within some seconds;
        those that it did take are no harm.
        """
        if not claims:
            return
        now = clock.now(config().database)
        with self._lock:
            was_open, began = self._line is not None, time.monotonic()
            try:
                try:
                    self._send(claims, now)
                except Exception:
                    # It may have gone while nothing was sent. One that hangs is not tried twice.
                    if not was_open or time.monotonic() - began > SLOW_SECONDS:
                        raise
                    self._send(claims, now)
            except Exception as error:
                raise BrokerUnavailable(
                    f"queue {self._queue!r} took not all of {len(claims)} messages: {error!r}"
                ) from error

    def close(self) -> None:
        """Close the connection to the broker; the next publish opens another."""
        with self._lock:
            self._hang_up()

    def _send(self, claims: Sequence[Claim], now: datetime) -> None:
        """Publish on the line that is open, or a new one, which is closed where that fails."""
        try:
            self._line = self._line or self._open()
            self._publish(claims, self._line, now)
        except Exception:
            self._hang_up()
            raise

    def _publish(self, claims: Sequence[Claim], line: _Line, now: datetime) -> None:
        if line.pid != os.getpid():
            raise BrokerUnavailable("this connection is another process's")
        app = self._celery()
        create, send = app.amqp.create_task_message, app.amqp.send_task_message
        with _batch(line.producer):
            for claim in claims:
                attempt = claim.attempt + 1
                arguments = (str(claim.id), attempt)
                message = create(
                    f"{claim.id}:{attempt}",
                    NAME,
                    arguments,
                    ignore_result=True,
                    argsrepr=repr(arguments),
                    kwargsrepr="{}",
                    origin=self._origin,
                    **_limits(claim),
                )
                send(
                    line.producer,
                    NAME,
                    message,
                    queue=self._queue,
                    # Once for a connection: the queue is looked for and declared.
                    declare=[] if line.is_declared else None,
                    headers=self._headers_of(claim),
                    serializer="json",
                    retry=False,
                    timeout=PUBLISH_SECONDS,
                    **self._priority_of(claim, line),
                    **_expiration(claim, now),
                )
                line.is_declared = True
                if line.confirms is not None:
                    line.confirms.published()
        if line.confirms is not None:
            line.confirms.wait(PUBLISH_SECONDS)

    def _priority_of(self, claim: Claim, line: _Line) -> dict[str, int]:
        found = claim.handling.get("priority", self._priority) if claim.handling else self._priority
        if found is None:
            return {}
        # kombu: on Redis 0 is the highest.
        return {"priority": HIGHEST_PRIORITY - found if line.kind == "redis" else found}

    def _celery(self) -> Celery:
        if self._app is None:
            self._app = project_app()
        return self._app

    def _open(self) -> _Line:
        connection: Connection = self._celery().connection_for_write()
        kind = connection.transport.driver_type
        connection.transport_options |= _CONNECTION_OPTIONS.get(kind, {})
        # Each of its hosts is tried once; left to itself it would try for ever.
        connection.ensure_connection(max_retries=len(connection.alt or "1") - 1, interval_start=0)
        channel = connection.default_channel
        confirms = Confirms(channel) if kind == "amqp" else None
        producer = self._celery().amqp.Producer(channel, auto_declare=False)
        return _Line(producer, confirms, os.getpid(), kind)

    def _hang_up(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()


def _batch(producer: Producer) -> AbstractContextManager[object]:
    """Send many in one round trip, where the transport can."""
    # kombu 5.7 can on Redis; before, there is no such thing.
    if getattr(producer, "supports_batch_publish", False):
        batch: AbstractContextManager[object] = producer.batch()
        return batch
    return nullcontext()


def _limits(claim: Claim) -> dict[str, float]:
    """Give the time limits of an attempt; none where its handler is not known here."""
    handling = Handling.from_json(claim.handling) if claim.handling else None
    registration = registry.find(claim.event_type)
    timeout = handling.timeout if handling else None
    if timeout is None and registration is not None:
        timeout = registration.timeout
    if timeout is None:
        return {}
    return {
        "soft_time_limit": (timeout + SOFT_MARGIN).total_seconds(),
        "time_limit": (timeout + HARD_MARGIN).total_seconds(),
    }


def _expiration(claim: Claim, now: datetime) -> dict[str, float]:
    # Counted by the broker from now on: Celery's own `expires` goes by the clock of the worker's
    # host. What is dropped is skipped by whoever it is handed out to next.
    if claim.expires_at is None:
        return {}
    return {"expiration": max(1.0, (claim.expires_at - now).total_seconds())}
