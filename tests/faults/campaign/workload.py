"""The load: schedules and cancels through the public API, and notes what was acknowledged.

Runs as a process: `python -m tests.faults.campaign.workload SEED EVENTS SECONDS`.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import django

django.setup()

from django.db import Error, connections, transaction  # noqa: E402

import duly  # noqa: E402
from duly import At, Every, NewEvent  # noqa: E402
from duly.policy.handling import CatchUp  # noqa: E402
from tests.faults.campaign import logs  # noqa: E402

# Of 100 events, so many are of each type; a deadly one costs a whole engine its start.
SHARES = {
    "plain": 56.5,
    "steady": 16,
    "atomic": 18,
    "flaky": 3.5,
    "leaky": 0.5,
    "hopeless": 3,
    "slow": 1.5,
    "hanging": 0.5,
    "deadly": 0.05,
}
# Workers are to be caught in the middle, and there are few of them.
SLOW_SHARE_OF_WORKERS = 5
CANCELLED_SHARE = 0.05
BATCH = 50
WAIT_SECONDS = 0.2
RECURRING = 6
POLICIES: tuple[CatchUp, ...] = ("all", "latest", "earliest", "none")
CIVIL = 12
JORDAN_AHEAD = timedelta(hours=3)
# One in so many events belongs to the storm, far enough ahead to be scheduled in time.
STORM_SHARE = 5
STORM_AHEAD_SECONDS = 3.0
STORM_BATCH = 500


def main(seed: int, events: int, seconds: float) -> None:
    """Schedule `events`, due over `seconds` from now; some are cancelled again."""
    dice = random.Random(seed)
    directory = Path(os.environ[logs.DIRECTORY_VARIABLE])
    log = logs.Log(directory, "acks")
    if logs.BROKER_VARIABLE in os.environ:
        SHARES["slow"] = SLOW_SHARE_OF_WORKERS
    begun = logs.now()
    _recur(log, begun, seconds)
    if "DULY_TZDATA" in os.environ:
        _schedule_civil(log, begun, seconds)
    log.write(op="begun")
    left = events
    storm = events // STORM_SHARE
    while left:
        if storm and left <= events // 2:
            _storm(log, storm, logs.now() + STORM_AHEAD_SECONDS)
            storm = 0
        count = min(BATCH, left)
        left -= count
        # So far ahead of its instant that some are scheduled for now, and some for later.
        passed = (events - left) / events
        after = begun + passed * seconds
        stored = _scheduled(log, list(_drawn(dice, count, after)))
        _cancel_some(log, dice, stored)
        time.sleep(max(0.0, after - 2.0 - logs.now()))


def _drawn(dice: random.Random, count: int, after: float) -> Iterator[NewEvent]:
    types = dice.choices(list(SHARES), weights=list(SHARES.values()), k=count)
    # A storm: everything at one instant.
    storm = dice.random() < 0.05
    for event_type in types:
        at = after + (1.0 if storm else dice.uniform(0.0, 4.0))
        due = datetime.fromtimestamp(at, UTC)
        yield NewEvent(event_type, At.instant(due), payload=dice.choice([0, 0, 0, 0.01, 0.05]))


def _storm(log: logs.Log, count: int, at: float) -> None:
    """A hundred times what is usual, all of it at one instant."""
    due = datetime.fromtimestamp(at, UTC)
    for start in range(0, count, STORM_BATCH):
        number = min(STORM_BATCH, count - start)
        _scheduled(log, [NewEvent("plain", At.instant(due)) for _ in range(number)])
    log.write(op="storm", due=at, count=count)


def _schedule_civil(log: logs.Log, begun: float, seconds: float) -> None:
    """Events in a place whose law has changed since the release of the data that is in use.

    Jordan stopped to set its clocks back in October 2022: what is due at a time of its winter
    is due an hour sooner by newer data. They are due in the campaign by the new law, and after
    its end by the old one.
    """
    for number in range(CIVIL):
        after = seconds * (0.5 + 0.4 * number / CIVIL)
        due = datetime.fromtimestamp(begun + after, UTC).replace(microsecond=0)
        local = (due + JORDAN_AHEAD).replace(tzinfo=None)
        stored = duly.schedule_event("civil", At(local.isoformat(), "Asia/Amman"))
        log.write(
            op="schedule",
            key=f"{stored.id}:{due.isoformat()}",
            type="civil",
            due=due.timestamp(),
            at=logs.now(),
        )


def _scheduled(log: logs.Log, new: list[NewEvent]) -> Sequence[Any]:
    while True:
        stored: Sequence[Any] = []
        try:
            with transaction.atomic():
                stored = duly.schedule_events(new)
        except Error:
            # Perhaps it was committed, and only the answer got lost. Scheduled again it is
            # another event: those of the first try may fire, and need not.
            for event in stored:
                log.write(op="unsure", event_id=str(event.id))
            connections.close_all()
            time.sleep(WAIT_SECONDS)
            continue
        for event in stored:
            log.write(
                op="schedule",
                key=_key(event),
                type=event.event_type,
                due=_due(event).timestamp(),
                at=logs.now(),
            )
        return stored


def _key(event: Any) -> str:
    return f"{event.id}:{_due(event).isoformat()}"


def _due(event: Any) -> datetime:
    due: datetime = event.next_at
    return due


def _cancel_some(log: logs.Log, dice: random.Random, stored: Sequence[Any]) -> None:
    for event in dice.sample(stored, int(len(stored) * CANCELLED_SHARE)):
        try:
            answer = duly.cancel_event(event.id)
        except Error:
            connections.close_all()
            # Not acknowledged: it may fire, and need not.
            log.write(op="maybe_cancelled", key=_key(event))
            continue
        if answer.status == "done":
            key = _key(event)
            log.write(op="cancel", key=key, at=logs.now())


def _recur(log: logs.Log, begun: float, seconds: float) -> None:
    """A few events that are due every second, none of whose firings may be missing."""
    anchor = datetime.fromtimestamp(begun + 2, UTC).replace(microsecond=0)
    firings = min(1000, int(seconds))
    for number in range(RECURRING):
        rule = Every(timedelta(seconds=1), anchor=anchor, start=anchor, max_occurrences=firings)
        # Nothing here lasts for a minute, so that no policy leaves anything out.
        policy = POLICIES[number % len(POLICIES)]
        stored = duly.schedule_event(
            "steady", rule, catch_up=policy, catch_up_window=timedelta(hours=1)
        )
        for count in range(1, firings + 1):
            due = anchor + timedelta(seconds=count)
            log.write(
                op="schedule",
                key=f"{stored.id}:{due.isoformat()}",
                type="steady",
                due=due.timestamp(),
                at=logs.now(),
            )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
