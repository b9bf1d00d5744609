"""Ten viewers cost as much as one, and none of them waits for ever."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from duly.dashboard import kept as module
from duly.dashboard.kept import Kept
from duly.testing.manual_clock import ManualClock, standing_still
from tests.builders import NOW


@pytest.fixture
def clock() -> Iterator[ManualClock]:
    with standing_still(NOW) as standing:
        yield standing


def test_of_ten_who_ask_at_once_one_finds(clock: ManualClock) -> None:
    kept, found, everybody = Kept(), [], threading.Barrier(10)

    def find() -> int:
        found.append(1)
        return len(found)

    def ask(_: int) -> int:
        everybody.wait(10)
        return kept.get("a", 2, find)

    with ThreadPoolExecutor(10) as pool:
        assert list(pool.map(ask, range(10))) == [1] * 10


def test_it_is_found_anew_once_its_time_is_over(clock: ManualClock) -> None:
    kept, numbers = Kept(), iter(range(9))

    assert kept.get("a", 2, lambda: next(numbers)) == 0
    clock.move(timedelta(seconds=1))
    assert kept.get("a", 2, lambda: next(numbers)) == 0
    clock.move(timedelta(seconds=1))
    assert kept.get("a", 2, lambda: next(numbers)) == 1


def test_what_fails_is_not_kept(clock: ManualClock) -> None:
    kept = Kept()
    with pytest.raises(ZeroDivisionError):
        kept.get("a", 2, lambda: 1 // 0)

    assert kept.get("a", 2, lambda: 5) == 5


def while_another_finds(kept: Kept, ask: object) -> None:
    """Let somebody find, and not end before `ask` has been called."""
    begun, go_on = threading.Event(), threading.Event()

    def find() -> int:
        begun.set()
        go_on.wait(10)
        return 2

    with ThreadPoolExecutor(1) as pool:
        pool.submit(kept.get, "a", 2, find)
        assert begun.wait(10)
        try:
            assert callable(ask)
            ask()
        finally:
            go_on.set()


def test_while_another_finds_what_is_a_little_old_will_do(clock: ManualClock) -> None:
    kept, seen = Kept(), []
    kept.get("a", 2, lambda: 1)
    clock.move(timedelta(seconds=3))
    while_another_finds(kept, lambda: seen.append(kept.get("a", 2, lambda: 3)))

    assert seen == [1]


def test_what_is_very_old_will_not_and_the_wait_ends(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONGEST_WAIT_SECONDS", 0.01)
    kept = Kept()
    kept.get("a", 2, lambda: 1)
    clock.move(timedelta(minutes=1))

    def ask() -> None:
        with pytest.raises(TimeoutError, match="a has been looked for"):
            kept.get("a", 2, lambda: 3)

    while_another_finds(kept, ask)
