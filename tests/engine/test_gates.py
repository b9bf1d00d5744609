"""Limits, rates and breakers, as running engines keep them."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.models import Max

import duly
from duly import At, Breaker, Concurrency, Limits, Retry, registry
from duly.errors import ConfigurationError
from duly.models import Gate, GateEntry, LedgerEntry, Occurrence
from tests.engine.conftest import Signals

Start = Callable[..., Any]
Handle = Callable[..., None]


def due(seconds: float = 0.0) -> At:
    return At.instant(datetime.now(UTC) + timedelta(seconds=seconds))


class Crowd:
    """A handler that notes how many of it run at once."""

    def __init__(self, seconds: float = 0.02) -> None:
        self.most: Counter[str] = Counter()
        self.ran: list[duly.Occurrence] = []
        self._now: Counter[str] = Counter()
        self._seconds = seconds
        self._lock = threading.Lock()

    def __call__(self, occurrence: duly.Occurrence) -> None:
        with self._lock:
            self._now[occurrence.entity_id] += 1
            self._now["all"] += 1
            self.most |= self._now
        time.sleep(self._seconds)
        with self._lock:
            self._now[occurrence.entity_id] -= 1
            self._now["all"] -= 1
            self.ran.append(occurrence)


def test_no_more_run_at_once_than_the_limit_says_over_all_engines(
    start_engine: Start, handle: Handle, signals: Signals
) -> None:
    crowd = Crowd()
    handle("charge", crowd, limits=Limits(in_flight=3))
    duly.schedule_events([duly.NewEvent("charge", due()) for _ in range(60)])
    start_engine()
    start_engine()

    signals.wait("occurrences.recorded", 60)

    assert 1 < crowd.most["all"] <= 3
    assert {occurrence.attempt for occurrence in crowd.ran} == {1}


def test_of_one_entity_one_runs_at_a_time_and_others_beside_it(
    start_engine: Start, handle: Handle, signals: Signals
) -> None:
    crowd = Crowd()
    handle("sync", crowd, concurrency=Concurrency(per="entity"))
    duly.schedule_events(
        [duly.NewEvent("sync", due(), entity=("patient", n % 4)) for n in range(24)]
    )
    start_engine()

    signals.wait("occurrences.recorded", 24)

    assert {crowd.most[str(n)] for n in range(4)} == {1}
    assert crowd.most["all"] > 1


def test_gates_of_entities_leave_no_rows_behind(
    start_engine: Start, handle: Handle, signals: Signals, using: str
) -> None:
    handle("sync", lambda occurrence: None, concurrency=Concurrency(per="entity"))
    duly.schedule_events([duly.NewEvent("sync", due(), entity=("patient", n)) for n in range(5)])
    engine = start_engine()
    signals.wait("occurrences.recorded", 5)
    engine.stop()

    assert Gate.objects.using(using).count() == 0
    assert GateEntry.objects.using(using).count() == 0


def test_a_rate_lets_them_begin_one_after_the_other(
    start_engine: Start, handle: Handle, signals: Signals, using: str
) -> None:
    handle("mail", lambda o: None, limits=Limits(rate="5/s"))
    duly.schedule_events([duly.NewEvent("mail", due()) for _ in range(12)])
    before = datetime.now(UTC)
    start_engine()

    signals.wait("occurrences.recorded", 12)

    # Five at once, and then one every fifth of a second.
    last = Occurrence.objects.using(using).aggregate(at=Max("started_at"))["at"]
    assert last - before >= timedelta(seconds=1.4)


def test_while_a_breaker_is_open_no_attempt_is_spent_and_all_run_after(
    start_engine: Start, handle: Handle, signals: Signals, using: str
) -> None:
    is_down = threading.Event()
    is_down.set()
    failed: list[int] = []

    def call(occurrence: duly.Occurrence) -> None:
        if is_down.is_set():
            time.sleep(0.02)
            failed.append(occurrence.attempt)
            raise ConnectionError("down")

    breaker = Breaker(failures=3, open_for=timedelta(seconds=0.5))
    retry = Retry(attempts=50, base=timedelta(milliseconds=10), cap=timedelta(milliseconds=10))
    handle("call", call, breaker=breaker, retry=retry)
    duly.schedule_events([duly.NewEvent("call", due(0.3 + n / 500)) for n in range(100)])
    start_engine(concurrency=2)
    signals.wait("occurrences.deferred", 60)
    spent = len(failed)
    is_down.clear()

    over = Occurrence.objects.using(using).filter(status="succeeded")
    wait_until(lambda: over.count() == 100)

    assert spent <= 20
    deferred = LedgerEntry.objects.using(using).filter(fact="deferred")
    assert "breaker open" in deferred.values_list("data__reason", flat=True)[0]


def test_a_breaker_that_is_held_open_lets_nobody_in_until_it_is_closed_by_hand(
    start_engine: Start, handle: Handle, signals: Signals, using: str
) -> None:
    handle("call", lambda occurrence: None, breaker=Breaker())
    duly.open_breaker("type:call")
    duly.schedule_events([duly.NewEvent("call", due()) for _ in range(20)])
    start_engine()
    signals.wait("occurrences.deferred", 20)
    assert signals.counts["occurrences.recorded"] == 0

    duly.close_breaker("type:call")

    signals.wait("occurrences.recorded", 20)
    assert duly.breakers()["type:call"].status == "closed"


@pytest.mark.only_postgres
def test_a_flooded_service_delays_nobody_else(
    start_engine: Start, handle: Handle, signals: Signals, settings: Any, using: str
) -> None:
    settings.DULY = {**settings.DULY, "SERVICES": {"flooded": {"in_flight": 1}}}
    others: list[float] = []
    handle("slow", lambda occurrence: time.sleep(0.05))
    handle("quick", lambda o: others.append((datetime.now(UTC) - o.due_at).total_seconds()))
    start = datetime.now(UTC) + timedelta(seconds=1)
    flood = [duly.NewEvent("slow", At.instant(start), service="flooded") for _ in range(1500)]
    quick = [
        duly.NewEvent("quick", At.instant(start + timedelta(milliseconds=20 * n)))
        for n in range(100)
    ]
    duly.schedule_events(flood + quick)
    start_engine()

    wait_until(lambda: len(others) == 100)

    assert sorted(others)[94] < 0.5


def test_the_longest_names_there_are_fit_a_gate(
    start_engine: Start, handle: Handle, signals: Signals
) -> None:
    name = "x" * 100
    handle(name, lambda occurrence: None, concurrency=Concurrency(per="entity"))
    duly.schedule_event(name, due(), entity=("e" * 100, "i" * 200))
    start_engine()

    signals.wait("occurrences.recorded")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"breaker": True}, r"breaker of handler 'call' must be a Breaker, as in breaker=Breaker"),
        ({"limits": {"in_flight": 3}}, "limits of handler 'call' must be a Limits"),
        ({"concurrency": 1}, "concurrency of handler 'call' must be a Concurrency"),
    ],
)
def test_limits_of_another_type_are_refused_where_they_are_given(
    options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        duly.handler("call", **options)(lambda occurrence: None)
    assert registry.find("call") is None


def wait_until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.01)
