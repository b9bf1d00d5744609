"""Confirms: RabbitMQ says which messages it has taken, and a batch waits for all of them at once.

Celery's own `confirm_publish` waits for each message before it sends the next.
Source: https://www.rabbitmq.com/docs/confirms
"""

from __future__ import annotations

import time
from typing import Any

from duly.errors import BrokerUnavailable


class Confirms:
    """The confirms of one channel; messages are numbered from 1 as they are published."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self._published = 0
        self._awaited: set[int] = set()
        self._is_refused = False
        channel.events["basic_ack"].add(self._acked)
        channel.events["basic_nack"].add(self._nacked)
        channel.confirm_select()

    def published(self) -> None:
        """Count a message that has been sent."""
        self._published += 1
        self._awaited.add(self._published)

    def wait(self, seconds: float) -> None:
        """Wait until all have been confirmed. Raises BrokerUnavailable, or TimeoutError."""
        end = time.monotonic() + seconds
        while self._awaited and not self._is_refused:
            self._channel.connection.drain_events(timeout=max(0.001, end - time.monotonic()))
        if self._is_refused:
            raise BrokerUnavailable("the broker refused a message")

    def _acked(self, delivery_tag: int, multiple: bool) -> None:
        if multiple:
            self._awaited = {number for number in self._awaited if number > delivery_tag}
        else:
            self._awaited.discard(delivery_tag)

    def _nacked(self, delivery_tag: int, multiple: bool) -> None:
        self._is_refused = True
