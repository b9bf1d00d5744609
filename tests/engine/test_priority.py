"""Which of those that are due begins first."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import duly
from duly import At
from duly.errors import InvalidEvent
from duly.policy.handling import Handling, rank
from tests.builders import NOW
from tests.engine.conftest import Signals

Start = Callable[..., Any]
Handle = Callable[..., None]


def test_in_a_storm_what_is_urgent_does_not_wait_for_the_rest(
    start_engine: Start, handle: Handle, signals: Signals
) -> None:
    order: list[int] = []

    def call(occurrence: duly.Occurrence) -> None:
        time.sleep(0.005)
        order.append(occurrence.payload)

    handle("call", call)
    earlier = At.instant(datetime.now(UTC) - timedelta(seconds=2))
    later = At.instant(datetime.now(UTC) - timedelta(seconds=1))
    storm = [duly.NewEvent("call", earlier, payload=n) for n in range(800)]
    urgent = [
        duly.NewEvent("call", later, payload=-1, handling=Handling(priority=9)) for _ in range(5)
    ]
    duly.schedule_events([*storm, *urgent])
    start_engine(concurrency=4)

    signals.wait("occurrences.recorded", 805, seconds=30)

    assert max(at for at, payload in enumerate(order) if payload == -1) < 400


def test_a_priority_is_worth_so_much_waiting_and_no_more() -> None:
    urgent = rank(NOW, {"priority": 3})

    assert urgent == NOW - timedelta(seconds=30)
    assert rank(NOW - timedelta(seconds=31), {}) < urgent < rank(NOW - timedelta(seconds=29), {})


@pytest.mark.parametrize("priority", [-1, 10, True, "high"])
def test_a_priority_out_of_range_is_refused(priority: Any) -> None:
    with pytest.raises(InvalidEvent, match="priority must be 0 to 9, got"):
        Handling(priority=priority)
