"""The broker of a campaign, which can be killed, emptied and frozen."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from typing import Literal, Protocol
from urllib.parse import urlsplit

from celery import Celery
from redis import Redis

from duly.testing.servers import RedisServer
from tests.celery.rabbitmq import SERVER, RabbitServer

BrokerName = Literal["redis", "rabbitmq"]
QUEUE = "campaign"


class Broker(Protocol):
    """A broker of the campaign's own."""

    url: str
    port: int

    def kill(self) -> None:
        """End it as a power cut would."""
        ...

    def start(self) -> None:
        """Start it again, with what it had written down."""
        ...

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        ...

    def waiting(self) -> int:
        """Count the messages that no worker has taken."""
        ...

    def forget(self) -> None:
        """Lose every message that it can."""
        ...


class RedisBroker:
    """Redis, which writes each command down before it answers."""

    def __init__(self, stack: ExitStack) -> None:
        self._server = stack.enter_context(RedisServer(durable=True))
        self.url, self.port = self._server.url, self._server.port

    def kill(self) -> None:
        self._server.kill()

    def start(self) -> None:
        self._server.start()

    def signal(self, number: signal.Signals) -> None:
        assert self._server.pid is not None
        os.kill(self._server.pid, number)

    def waiting(self) -> int:
        with Redis.from_url(self.url) as client:
            return int(client.llen(QUEUE))

    def forget(self) -> None:
        """Lose the queue, what is with workers, and which queues there are."""
        with Redis.from_url(self.url) as client:
            client.flushall()


class RabbitBroker:
    """RabbitMQ; a queue can be purged of what no worker has taken."""

    def __init__(self, stack: ExitStack) -> None:
        self._server = stack.enter_context(RabbitServer())
        self.url, self.port = self._server.url, self._server.port

    def kill(self) -> None:
        self._server.kill()

    def start(self) -> None:
        self._server.start()

    def signal(self, number: signal.Signals) -> None:
        self._server.signal(number)

    def waiting(self) -> int:
        with self._app() as app, app.connection_for_read() as connection:
            declared = connection.default_channel.queue_declare(QUEUE, passive=True)
            return int(declared.message_count)

    def forget(self) -> None:
        with self._app() as app, app.connection_for_read() as connection:
            connection.default_channel.queue_purge(QUEUE)

    def _app(self) -> Celery:
        return Celery("admin", broker=self.url, set_as_current=False)


def why_no(name: BrokerName) -> str:
    """Say why there can be no such broker here; empty where there can."""
    if name == "rabbitmq" and not SERVER.exists():
        return f"RabbitMQ is not installed: no {SERVER}"
    return ""


def open_broker(name: BrokerName, stack: ExitStack) -> Broker:
    """Start a broker that ends with the stack."""
    broker = RedisBroker(stack) if name == "redis" else RabbitBroker(stack)
    assert urlsplit(broker.url).port == broker.port
    return broker
