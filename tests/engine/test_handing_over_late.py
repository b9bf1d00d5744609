"""Engines that hand over to a broker which not all of them reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connections

import duly
from duly import At, brokers
from duly.engine.executors.hand_over import LONGEST_HANDED
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


def test_each_message_that_is_lost_is_missed_by_its_own_lateness(
    lines: list[Line], start_engine: Start, signals: Signals, using: str
) -> None:
    now = datetime.now(UTC)
    late = [timedelta(hours=6), timedelta(seconds=20)]
    duly.schedule_events([duly.NewEvent("post", At.instant(now - one)) for one in late])
    start_engine()

    def left() -> list[float]:
        wake_ats = Occurrence.objects.using(using).order_by("due_at").values_list("wake_at")
        return [(at - datetime.now(UTC)).total_seconds() for (at,) in wake_ats if at]

    eventually(lambda: max(left(), default=0) > 240, 10, "a longer lease")

    assert left()[1] < 35


def test_a_connection_that_broke_is_not_kept_by_what_hands_over(
    lines: list[Line],
    start_engine: Start,
    signals: Signals,
    using: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def hand_over_late() -> None:
        duly.schedule_event("post", At.instant(datetime.now(UTC) - timedelta(hours=6)))
        signals.wait("occurrences.handed_over")

    def have_longer_leases(count: int) -> bool:
        soon = datetime.now(UTC) + timedelta(minutes=4)
        return Occurrence.objects.using(using).filter(wake_at__gt=soon).count() == count

    def broken(self: Line, claims: Sequence[Claim]) -> None:
        # As where the server has crashed: this thread has a connection, and it is no good.
        connections[using].ensure_connection()
        connections[using].connection.close()
        self.sent += [str(claim.event_id) for claim in claims]

    publish = Line.publish
    monkeypatch.setattr(Line, "publish", broken)
    start_engine()
    hand_over_late()
    signals.wait("engine.faulted")
    monkeypatch.setattr(Line, "publish", publish)
    hand_over_late()

    eventually(lambda: have_longer_leases(1), 10, "the longer lease of the second")
