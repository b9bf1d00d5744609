"""Occurrences of one event that come due while another is not over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import duly
from duly import At, Every, Limits, Retry
from duly.models import Occurrence
from duly.policy.handling import Overlap
from tests.builders import ledger_facts
from tests.engine.conftest import Signals

Start = Callable[..., Any]
Handle = Callable[..., None]


class Work:
    """A handler that holds on until it is let go, and notes who runs beside whom."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.began: list[datetime] = []
        self.most_at_once = 0
        self.was_asked: list[datetime] = []
        self._running = 0
        self._lock = threading.Lock()

    def __call__(self, occurrence: duly.Occurrence) -> None:
        with self._lock:
            self.began.append(occurrence.due_at)
            self._running += 1
            self.most_at_once = max(self.most_at_once, self._running)
        first = len(self.began) == 1
        while first and not self.go_on.wait(0.01):
            if occurrence.asked_to_stop():
                self.was_asked.append(occurrence.due_at)
                break
        with self._lock:
            self._running -= 1

    def wait(self, count: int) -> None:
        end = time.monotonic() + 10
        while len(self.began) < count:
            assert time.monotonic() < end, f"{len(self.began)} of {count} began"
            time.sleep(0.01)


@pytest.fixture
def work() -> Iterator[Work]:
    found = Work()
    yield found
    found.go_on.set()


def every_second(overlap: Overlap, firings: int) -> list[datetime]:
    """Schedule an event that is due `firings` times, and give its due instants."""
    anchor = datetime.now(UTC).replace(microsecond=0)
    rule = Every(timedelta(seconds=1), anchor=anchor, max_occurrences=firings, start=anchor)
    duly.schedule_event("work", rule, overlap=overlap)
    return [anchor + timedelta(seconds=count + 1) for count in range(firings)]


def skipped(using: str) -> list[Occurrence]:
    return list(Occurrence.objects.using(using).filter(status="skipped").order_by("due_at"))


def eventually(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_skip_leaves_out_what_comes_due_meanwhile_and_says_so(
    using: str, start_engine: Start, handle: Handle, work: Work
) -> None:
    handle("work", work)
    start_engine()
    dues = every_second("skip", 3)

    eventually(lambda: len(skipped(using)) == 2)
    work.go_on.set()

    assert work.began == dues[:1]
    assert [row.due_at for row in skipped(using)] == dues[1:]
    assert all(row.reason.startswith("overlap=skip") for row in skipped(using))
    assert ledger_facts(using).count("skipped") == 2


def test_buffer_one_lets_one_wait_and_leaves_out_the_others(
    using: str, start_engine: Start, handle: Handle, work: Work
) -> None:
    handle("work", work)
    start_engine()
    dues = every_second("buffer_one", 3)

    eventually(lambda: len(skipped(using)) == 1)
    assert work.began == dues[:1]
    work.go_on.set()
    work.wait(2)

    assert work.began == dues[:2]
    assert work.most_at_once == 1


def test_buffer_all_runs_them_one_after_the_other(
    using: str, start_engine: Start, handle: Handle, work: Work, signals: Signals
) -> None:
    handle("work", work)
    for _ in range(2):
        start_engine()
    dues = every_second("buffer_all", 3)

    eventually(lambda: Occurrence.objects.using(using).count() == 3)
    assert work.began == dues[:1]
    work.go_on.set()
    signals.wait("occurrences.recorded", 3)

    assert work.began == dues
    assert work.most_at_once == 1


def test_cancel_other_asks_the_one_that_runs_to_stop(
    using: str, start_engine: Start, handle: Handle, work: Work
) -> None:
    handle("work", work)
    start_engine(lease=timedelta(seconds=2))
    dues = every_second("cancel_other", 2)

    work.wait(2)

    assert work.was_asked == dues[:1]
    assert work.began == dues
    assert work.most_at_once == 1


def test_terminate_other_does_not_wait_and_fences_what_the_other_still_does(
    using: str, start_engine: Start, handle: Handle, work: Work, signals: Signals
) -> None:
    handle("work", work, retry=Retry(attempts=1))
    start_engine()
    dues = every_second("terminate_other", 2)

    work.wait(2)
    work.go_on.set()
    signals.wait("occurrences.recorded fenced")

    rows = Occurrence.objects.using(using).order_by("due_at")
    assert [row.due_at for row in rows] == dues
    eventually(lambda: {row.status for row in rows.all()} == {"cancelled", "succeeded"})


def test_allow_all_lets_them_run_side_by_side(
    using: str, start_engine: Start, handle: Handle, work: Work
) -> None:
    handle("work", work)
    start_engine()
    every_second("allow_all", 2)

    work.wait(2)

    assert work.most_at_once == 2


def test_what_must_wait_for_its_own_event_keeps_no_place_at_a_gate(
    using: str, start_engine: Start, handle: Handle, work: Work
) -> None:
    handle("work", work, limits=Limits(in_flight=2))
    _, second = every_second("buffer_all", 2)
    # Let in behind it, or kept out by it, in one go with it.
    behind = At.instant(second + timedelta(microseconds=200))
    duly.schedule_events([duly.NewEvent("work", behind) for _ in range(3)])
    start_engine()

    # The first goes on, and the second waits for it; the others have one place.
    work.wait(4)

    assert second not in work.began
