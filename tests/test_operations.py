"""Single firings: skipped, moved, made up for; and what a change would do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

import duly
from duly import At, Every, NewEvent, errors, operations
from duly.civil.instants import Instant
from duly.engine.plan import advance
from duly.errors import EventConflict, InvalidEvent
from duly.models import LedgerEntry, Occurrence, ScheduledEvent
from duly.store.backends import open_store
from duly.store.verify import Verified, verify
from tests import builders

HOUR = timedelta(hours=1)
ANCHOR = datetime(2090, 1, 1, tzinfo=UTC)
TICKS = Every(HOUR, anchor=ANCHOR)


@pytest.fixture
def using(database: str, settings: Any) -> str:
    settings.DULY = {"DATABASE": database, "STRICT": False}
    return database


@pytest.fixture
def hourly(using: str) -> ScheduledEvent:
    """An event that is due at one o'clock, two o'clock …"""
    return duly.schedule_event("tick", Every(HOUR, anchor=ANCHOR, start=ANCHOR))


def upcoming(count: int) -> list[int]:
    return [int((one.due.at - Instant(ANCHOR)) / HOUR) for one in duly.upcoming_events(limit=count)]


def agrees(using: str) -> bool:
    return not list(verify(using, Verified()))


def claim_at(using: str, at: datetime) -> list[Any]:
    return builders.claim(open_store(using), at, advance=partial(advance, now=at))


def test_the_next_firing_is_skipped_and_the_ledger_says_by_whom(
    using: str, hourly: ScheduledEvent
) -> None:
    answer = duly.skip_firing(hourly.id, actor="anna")

    assert answer.status == "done"
    assert upcoming(3) == [2, 3, 4]
    entry = LedgerEntry.objects.using(using).get(fact="skipped")
    assert (entry.actor, (entry.data or {})["due_at"]) == ("anna", (ANCHOR + HOUR).isoformat())
    assert agrees(using)


def test_a_later_firing_is_left_out_when_its_turn_comes(using: str, hourly: ScheduledEvent) -> None:
    duly.skip_firing(hourly.id, ANCHOR + 2 * HOUR)

    assert upcoming(3) == [1, 3, 4]
    claim_at(using, ANCHOR + HOUR)
    hourly.refresh_from_db()
    assert hourly.next_at == ANCHOR + 3 * HOUR
    reasons = [
        (entry.data or {})["reason"]
        for entry in LedgerEntry.objects.using(using).filter(fact="skipped")
    ]
    assert reasons == ["skipped by hand", "left out by hand"]
    assert agrees(using)


def test_a_one_off_that_is_skipped_is_finished(using: str) -> None:
    event = duly.schedule_event("tick", At.instant(ANCHOR))

    duly.skip_firing(event.id)

    event.refresh_from_db()
    assert event.status == "finished"
    assert agrees(using)


def test_a_firing_that_was_claimed_is_skipped_until_it_runs(
    using: str, hourly: ScheduledEvent
) -> None:
    (claim,) = claim_at(using, ANCHOR + HOUR)

    assert duly.skip_firing(hourly.id, ANCHOR + HOUR).status == "done"

    row = Occurrence.objects.using(using).get()
    assert (row.status, row.reason) == ("cancelled", "skipped")
    assert builders.start(open_store(using), [claim]) == set()


def test_a_firing_that_runs_cannot_be_skipped(using: str, hourly: ScheduledEvent) -> None:
    builders.start(open_store(using), claim_at(using, ANCHOR + HOUR))

    assert duly.skip_firing(hourly.id, ANCHOR + HOUR).status == "too_late"


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        pytest.param(
            lambda id_: duly.skip_firing(id_, ANCHOR + HOUR / 2),
            InvalidEvent, "is no due instant to come", id="before",
        ),
        pytest.param(
            lambda id_: duly.skip_firing(id_, ANCHOR + 1.5 * HOUR),
            InvalidEvent, "is no due instant of event", id="between",
        ),
        pytest.param(
            lambda id_: duly.move_firing(id_, datetime(2020, 1, 1, tzinfo=UTC)),
            InvalidEvent, "must not be in the past", id="past",
        ),
        pytest.param(
            lambda id_: (duly.pause_event(id_), duly.skip_firing(id_)),
            EventConflict, "only a scheduled event can be changed", id="paused",
        ),
        pytest.param(
            lambda id_: duly.backfill_event(id_, ANCHOR, ANCHOR, limit=0),
            InvalidEvent, "limit must be 1 to 10000, got 0", id="limit",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_told_and_changes_nothing(
    using: str,
    hourly: ScheduledEvent,
    change: Callable[[Any], object],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        change(hourly.id)

    assert not Occurrence.objects.using(using).exists()


def test_a_firing_is_moved_and_the_others_stay(using: str, hourly: ScheduledEvent) -> None:
    duly.move_firing(hourly.id, ANCHOR + 1.5 * HOUR)

    row = Occurrence.objects.using(using).get()
    assert (row.status, row.due_at, row.wake_at) == ("pending", ANCHOR + 1.5 * HOUR, row.due_at)
    assert upcoming(2) == [2, 3]
    assert agrees(using)


def test_rescheduling_forgets_what_was_left_out(using: str, hourly: ScheduledEvent) -> None:
    duly.skip_firing(hourly.id, ANCHOR + 2 * HOUR)

    duly.reschedule_event(hourly.id, Every(HOUR, anchor=ANCHOR, start=ANCHOR))

    assert upcoming(3) == [1, 2, 3]


def test_a_backfill_runs_what_never_had_an_occurrence_once(using: str) -> None:
    anchor = datetime.now(UTC).replace(microsecond=0) - 5 * HOUR
    event = duly.schedule_event("tick", Every(HOUR, anchor=anchor))

    born = duly.backfill_event(event.id, anchor + 2 * HOUR, anchor + 4 * HOUR)
    again = duly.backfill_event(event.id, anchor, anchor + 9 * HOUR)

    assert [row.due_at for row in born] == [anchor + 2 * HOUR, anchor + 3 * HOUR]
    assert [row.due_at for row in again] == [anchor + HOUR, anchor + 4 * HOUR, anchor + 5 * HOUR]
    assert len(builders.claim_again(open_store(using), datetime.now(UTC))) == 5
    assert agrees(using)


def test_a_backfill_of_too_many_is_refused(using: str) -> None:
    event = duly.schedule_event("tick", Every(HOUR, anchor=datetime.now(UTC) - 50 * HOUR))

    now = datetime.now(UTC)
    with pytest.raises(InvalidEvent, match="more than 10 firings lie in this span"):
        duly.backfill_event(event.id, now - 48 * HOUR, now, limit=10)


def test_a_plan_says_what_another_rule_would_change_and_changes_nothing(
    using: str, hourly: ScheduledEvent
) -> None:
    plan = duly.plan_reschedule(
        hourly.id, Every(2 * HOUR, anchor=ANCHOR - HOUR, start=ANCHOR), until=ANCHOR + 4.5 * HOUR
    )

    hours = {
        name: [(due.at - ANCHOR) / HOUR for due in getattr(plan, name)]
        for name in ("added", "removed", "kept")
    }
    assert hours == {"added": [], "removed": [2.0, 4.0], "kept": [1.0, 3.0]}
    assert upcoming(2) == [1, 2]


def test_an_amended_event_carries_something_else_and_is_due_as_before(using: str) -> None:
    event = duly.schedule_event("remind", TICKS, payload=1, key="k", user_timezone="Asia/Tokyo")

    answer = duly.amend_event("k", payload={"n": 2}, user_timezone="", actor="ada")

    stored = ScheduledEvent.objects.using(using).get()
    assert (answer.event_id, answer.status) == (event.id, "done")
    assert (stored.payload, stored.user_timezone) == ({"n": 2}, "")
    assert (stored.next_at, stored.rule) == (event.next_at, event.rule)
    entry = LedgerEntry.objects.using(using).get(fact="amended")
    assert (entry.actor, entry.data) == ("ada", {"fields": ["payload", "user_timezone"]})


def test_amending_nothing_is_told_to_nobody(using: str) -> None:
    event = duly.schedule_event("remind", TICKS)

    duly.amend_event(event.id)

    assert not LedgerEntry.objects.using(using).filter(fact="amended").exists()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"payload": {1}}, errors.InvalidPayload),
        ({"resource_timezone": "Mars/Olympus"}, errors.UnknownZone),
        ({"on_tzdata_change": "panic"}, errors.InvalidEvent),
        ({"on_tzdata_change": "keep_instant"}, errors.InvalidEvent),
    ],
    ids=str,
)
def test_an_amendment_that_breaks_a_rule_changes_nothing(
    using: str, changes: Any, error: type[Exception]
) -> None:
    event = duly.schedule_event("remind", TICKS, payload=1)

    with pytest.raises(error):
        duly.amend_event(event.id, **changes)

    stored = ScheduledEvent.objects.using(using).get()
    assert (stored.payload, stored.updated_at) == (1, event.updated_at)


def test_one_bad_event_of_many_hinders_no_other(using: str) -> None:
    duly.schedule_event("remind", TICKS, key="taken", payload=1)
    new = [
        NewEvent("remind", TICKS),
        NewEvent("remind", TICKS, payload=object()),
        NewEvent("remind", TICKS, key="taken", payload=2),
        NewEvent("remind", TICKS, key="taken2"),
    ]

    taken = operations.schedule_each(new, actor="ada")

    assert [one.is_new for one in taken] == [True, False, False, True]
    assert [type(one.error) for one in taken] == [
        type(None),
        errors.InvalidPayload,
        errors.EventConflict,
        type(None),
    ]
    stored = set(ScheduledEvent.objects.using(using).values_list("id", flat=True))
    assert {one.event_id for one in taken if one.is_new} < stored
    assert len(stored) == 3
