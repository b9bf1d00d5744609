"""Engines that hand over to a broker which not all of them reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import duly
from duly import At, brokers
from duly.engine.loop import LONGEST_HANDED
from duly.engine.targets import publish_by
from duly.errors import BrokerUnavailable
from duly.models import Occurrence
from duly.policy.service import CeleryTarget
from duly.store.rows import Claim
from tests.engine.conftest import Signals
from tests.faults.engines import eventually

Start = Callable[..., Any]
MESSAGES = 20


class Line:
    """A way to a broker, of one engine."""

    def __init__(self) -> None:
        self.is_cut = False
        self.sent: list[str] = []

    def publish(self, claims: Sequence[Claim]) -> None:
        if self.is_cut:
            raise BrokerUnavailable("no route to host")
        self.sent += [str(claim.event_id) for claim in claims]

    def close(self) -> None:
        pass


@pytest.fixture
def lines(settings: Any, using: str) -> Iterator[list[Line]]:
    """Give what engines publish on, each on one of its own, in the order in which they need it."""
    opened: list[Line] = []
    waiting = [Line(), Line()]

    def open_line(target: CeleryTarget) -> Line:
        opened.append(waiting[len(opened)])
        return opened[-1]

    settings.DULY = {**settings.DULY, "SERVICES": {"default": {"target": "celery"}}}
    publish_by(CeleryTarget, open_line)
    yield waiting
    brokers.register()


def test_an_engine_that_is_cut_off_from_the_broker_leaves_what_is_due_to_others(
    lines: list[Line], start_engine: Start, signals: Signals
) -> None:
    lines[0].is_cut = True
    held = duly.schedule_event("post", At.instant(datetime.now(UTC)))
    start_engine()
    signals.wait("target.away")
    events = duly.schedule_events(
        [duly.NewEvent("post", At.instant(datetime.now(UTC))) for _ in range(MESSAGES)]
    )
    start_engine()

    eventually(lambda: len(lines[1].sent) >= MESSAGES, 10, "their messages")

    assert set(lines[1].sent) == {str(event.id) for event in events}
    lines[0].is_cut = False
    eventually(lambda: lines[0].sent == [str(held.id)], 10, "the one that it has kept")


def test_a_message_that_is_lost_is_missed_within_minutes_however_late_it_was_sent(
    lines: list[Line], start_engine: Start, signals: Signals, using: str
) -> None:
    duly.schedule_event("post", At.instant(datetime.now(UTC) - timedelta(hours=6)))
    start_engine()
    signals.wait("occurrences.handed_over")

    def left() -> timedelta:
        wake_at = Occurrence.objects.using(using).get().wake_at
        assert wake_at is not None
        return wake_at - datetime.now(UTC)

    # Longer than a lease: a backlog is not to be sent again and again.
    eventually(lambda: left() > timedelta(minutes=4), 10, "a longer lease")
    assert left() <= LONGEST_HANDED
