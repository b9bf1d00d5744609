"""Handlers that take several occurrences at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import duly
from duly import At, Retry, registry
from duly.errors import ConfigurationError
from duly.models import Occurrence
from tests.engine.conftest import Signals

Start = Callable[..., Any]
Handle = Callable[..., None]
Batch = list[duly.Occurrence]
NO_RETRY = Retry(attempts=1)


def schedule(count: int, seconds: float = 0.0) -> None:
    due = At.instant(datetime.now(UTC) + timedelta(seconds=seconds))
    duly.schedule_events([duly.NewEvent("index", due, payload=n) for n in range(count)])


def statuses(using: str) -> dict[int, str]:
    rows = Occurrence.objects.using(using).filter(event_type="index")
    return {row.payload: row.status for row in rows}


def test_what_is_due_together_is_handled_together_up_to_the_largest_batch(
    start_engine: Start, handle: Handle, signals: Signals
) -> None:
    sizes: list[int] = []
    handle("index", lambda batch: sizes.append(len(batch)), batch=10, within=60)
    schedule(40)
    start_engine()

    signals.wait("occurrences.recorded", 40)

    assert sizes == [10] * 4


def test_a_batch_that_is_not_full_is_handled_once_its_time_has_come(
    start_engine: Start, handle: Handle, signals: Signals
) -> None:
    sizes: list[int] = []
    handle("index", lambda batch: sizes.append(len(batch)), batch=100, within=0.2)
    schedule(7, 0.3)
    start_engine()

    signals.wait("occurrences.recorded", 7)

    assert sizes == [7]


def test_each_of_a_batch_keeps_an_outcome_of_its_own(
    start_engine: Start, handle: Handle, signals: Signals, using: str
) -> None:
    def index(batch: Batch) -> dict[Any, Exception]:
        return {one.id: ValueError("odd") for one in batch if one.payload % 2}

    handle("index", index, batch=6, within=60, retry=NO_RETRY)
    schedule(6)
    start_engine()

    signals.wait("occurrences.recorded", 6)

    assert statuses(using) == {n: "dead" if n % 2 else "succeeded" for n in range(6)}


def test_those_that_failed_are_tried_again_without_the_others(
    start_engine: Start, handle: Handle, signals: Signals
) -> None:
    seen: list[list[tuple[int, int]]] = []

    def index(batch: Batch) -> dict[Any, Exception]:
        seen.append(sorted((one.payload, one.attempt) for one in batch))
        return {one.id: ValueError() for one in batch if one.payload == 1 and one.attempt == 1}

    soon = timedelta(milliseconds=1)
    handle("index", index, batch=3, within=0.1, retry=Retry(base=soon, cap=soon))
    schedule(3)
    start_engine()

    signals.wait("occurrences.recorded", 4)

    assert seen == [[(0, 1), (1, 1), (2, 1)], [(1, 2)]]


def test_each_of_a_batch_is_told_to_the_gates_of_its_own_service(
    start_engine: Start, handle: Handle, signals: Signals, settings: Any
) -> None:
    breaker = {"breaker": {"failures": 2, "open_for": 60}}
    settings.DULY = {**settings.DULY, "SERVICES": {"well": breaker, "ill": breaker}}

    def index(batch: Batch) -> dict[Any, Exception]:
        return {one.id: OSError("down") for one in batch if one.service == "ill"}

    handle("index", index, batch=4, within=60, retry=Retry(attempts=2))
    due = At.instant(datetime.now(UTC))
    duly.schedule_events(
        [duly.NewEvent("index", due, service=name) for name in ("well", "ill") * 2]
    )
    engine = start_engine()
    signals.wait("occurrences.recorded", 4)
    engine.stop()

    found = {name: state.status.value for name, state in duly.breakers().items()}

    assert found == {"service:well": "closed", "service:ill": "open"}


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda batch: 1 / 0, id="raises"),
        pytest.param(lambda batch: [True] * 4, id="returns-what-is-no-dict"),
        pytest.param(lambda batch: {"7": ValueError()}, id="names-a-stranger"),
        pytest.param(lambda batch: {batch[0].id: "no"}, id="names-no-exception"),
    ],
)
def test_an_answer_that_says_nothing_of_each_fails_them_all(
    start_engine: Start, handle: Handle, signals: Signals, using: str, answer: Any
) -> None:
    handle("index", answer, batch=4, within=60, retry=NO_RETRY)
    schedule(4)
    start_engine()

    signals.wait("occurrences.recorded", 4)

    assert set(statuses(using).values()) == {"dead"}


class _Errors(Exception):
    """Several errors, of which there may be none."""

    def __len__(self) -> int:
        return 0


def test_an_exception_that_counts_as_false_is_one_all_the_same(
    start_engine: Start, handle: Handle, signals: Signals, using: str
) -> None:
    handle("index", lambda batch: {batch[0].id: _Errors()}, batch=2, within=0, retry=NO_RETRY)
    schedule(1)
    start_engine()

    signals.wait("occurrences.recorded")

    assert statuses(using) == {0: "dead"}


async def _async(batch: Batch) -> None: ...


@pytest.mark.parametrize(
    ("function", "options", "said"),
    [
        (print, {"batch": 1}, "must be a whole number from 2 to 500, got 1"),
        (print, {"batch": 501}, "must be a whole number from 2 to 500, got 501"),
        (print, {"batch": 5, "within": -1}, "within must not be below zero, got -1"),
        (print, {"batch": 5, "atomic": True}, "takes batches: it must be a plain function"),
        (_async, {"batch": 5}, "takes batches: it must be a plain function"),
    ],
)
def test_a_batch_that_cannot_work_is_refused(
    function: Any, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        duly.handler("index", **options)(function)
    assert registry.find("index") is None
