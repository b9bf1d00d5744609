"""What others run: claims on their way to a broker that answers, hangs or is away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import duly
from duly import At, Retry
from duly.engine import delivery, targets
from duly.engine.delivery import Delivery
from duly.engine.executors import hand_over
from duly.models import Occurrence
from duly.policy.service import Service, TasksTarget
from duly.services import Registry
from duly.store.rows import Claim
from tests.engine.conftest import Signals

Start = Callable[..., Any]
Handle = Callable[..., None]
FAR = {"far": {"target": "tasks"}}


class Broker:
    """What the engine publishes to."""

    def __init__(self) -> None:
        self.is_away = False
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.is_asked = threading.Semaphore(0)
        self.batches: list[int] = []

    def publish(self, claims: Sequence[Claim]) -> None:
        self.batches.append(len(claims))
        self.is_asked.release()
        self.may_answer.wait(60)
        if self.is_away:
            raise ConnectionError("away")

    def close(self) -> None: ...


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    made = Broker()
    monkeypatch.setitem(targets._ways, TasksTarget, lambda target: made)
    yield made
    made.may_answer.set()


def due(seconds: float = 0.0) -> At:
    return At.instant(datetime.now(UTC) + timedelta(seconds=seconds))


def wait_until(holds: Callable[[], Any], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.01)


def test_a_broker_that_is_away_keeps_nobody_elses_retries_waiting(
    start_engine: Start,
    handle: Handle,
    signals: Signals,
    settings: Any,
    using: str,
    broker: Broker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hand_over, "MOST_WAITING", 20)
    settings.DULY = {**settings.DULY, "SERVICES": FAR}
    duly.schedule_events([duly.NewEvent("remote", due(), service="far") for _ in range(60)])
    engine = start_engine(concurrency=1, async_concurrency=1)
    signals.wait("occurrences.handed_over", 60)
    engine.stop()
    Occurrence.objects.using(using).update(wake_at=datetime.now(UTC) - timedelta(seconds=1))
    broker.is_away = True

    def fail_once(occurrence: duly.Occurrence) -> None:
        if occurrence.attempt == 1:
            raise ValueError

    soon = timedelta(milliseconds=10)
    handle("call", fail_once, retry=Retry(base=soon, cap=soon))
    start_engine(concurrency=1, async_concurrency=1)
    signals.wait("target.away", 2)
    duly.schedule_event("call", due())

    over = Occurrence.objects.using(using).filter(event_type="call", status="succeeded")
    wait_until(over.exists)


def test_a_broker_that_is_away_is_tried_with_one_message(
    start_engine: Start, signals: Signals, settings: Any, broker: Broker
) -> None:
    """Whatever breaks off may have got through: it would come again with each trial."""
    settings.DULY = {**settings.DULY, "SERVICES": FAR}
    broker.may_answer.clear()
    broker.is_away = True
    duly.schedule_events([duly.NewEvent("remote", due(), service="far") for _ in range(60)])
    start_engine()
    assert broker.is_asked.acquire(timeout=10)
    broker.may_answer.set()
    signals.wait("target.away", 3)
    broker.is_away = False
    signals.wait("occurrences.handed_over", 60)

    first, *trials = broker.batches
    assert first > 1
    assert trials[:2] == [1, 1]
    assert max(trials) > 1


def test_brokers_that_hang_hold_up_the_stop_together_and_not_one_after_the_other(
    start_engine: Start,
    signals: Signals,
    settings: Any,
    broker: Broker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delivery, "STOP_SECONDS", 0.6)
    names = [f"far{n}" for n in range(4)]
    services = {name: {"target": "tasks", "backend": name} for name in names}
    settings.DULY = {**settings.DULY, "SERVICES": services}
    broker.may_answer.clear()
    duly.schedule_events([duly.NewEvent("remote", due(), service=name) for name in names])
    engine = start_engine()
    for _ in names:
        assert broker.is_asked.acquire(timeout=10)

    began = time.monotonic()
    engine.stop()

    assert time.monotonic() - began < 1.8


class _Slow(TasksTarget):
    """A target that takes a moment to be opened."""

    def __str__(self) -> str:
        time.sleep(0.05)
        return "slow"


def test_there_is_one_way_to_a_target_however_many_ask_for_it_at_once(broker: Broker) -> None:
    place: Any = None
    ways = Delivery(
        Registry(),
        plain=place,
        asynchronous=place,
        remote=place,
        open_publisher=lambda target: broker,
        handed=lambda claims: None,
    )
    service = Service(name="far", target=_Slow("default"))
    found: list[Any] = []

    def ask() -> None:
        found.append(ways.elsewhere(service, "remote"))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ways.stop()

    assert len({id(route.place) for route in found}) == 1
