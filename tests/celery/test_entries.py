"""Entries of beat are brought in as events, as often as anyone likes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Celery
from celery.beat import BeatLazyFunc
from celery.schedules import crontab, schedule

import duly
from duly.celery.entries import bring_in
from duly.celery.scheduler import Scheduler
from duly.models import LedgerEntry, ScheduledEvent

SERVICE = "celery.beat"
ENTRIES: dict[str, Any] = {
    "nightly": {
        "task": "reports.build",
        "schedule": crontab(minute=30, hour=2),
        "args": [1, "two"],
        "kwargs": {"deep": {"er": True}},
        "options": {"queue": "reports", "expires": 3600},
    },
    "often": {"task": "pulse", "schedule": timedelta(seconds=30)},
    "asked": {"task": "tides", "schedule": schedule(3600, relative=True)},
}


@pytest.fixture
def using(settings: Any, database: str) -> str:
    settings.DULY = {"DATABASE": database, "STRICT": False}
    return database


def scheduler_of(entries: dict[str, Any]) -> Scheduler:
    """Give beat's scheduler for an app with these entries; it is not started."""
    app = Celery("beaten", set_as_current=False, broker="memory://")
    app.conf.update(timezone="Europe/Berlin", beat_schedule=entries)
    return Scheduler(app)


def bring_in_all(entries: dict[str, Any]) -> None:
    bring_in(scheduler_of(entries).schedule, SERVICE)


def event(using: str, key: str) -> ScheduledEvent:
    return ScheduledEvent.objects.using(using).get(service=SERVICE, key=key)


def test_each_entry_is_an_event_that_says_what_to_send(using: str) -> None:
    bring_in_all(ENTRIES)

    nightly = event(using, "nightly")
    assert (nightly.event_type, nightly.execution_timezone) == ("celery.send_task", "Europe/Berlin")
    assert nightly.rule["expr"] == "30 2 * * *"
    assert nightly.payload == {
        "entry": "nightly",
        "task": "reports.build",
        "args": [1, "two"],
        "kwargs": {"deep": {"er": True}},
        "options": {"queue": "reports", "expires": 3600},
    }
    assert event(using, "often").rule["kind"] == "every"
    asked = event(using, "asked")
    assert asked.next_at is not None
    assert timedelta(0) < asked.next_at - datetime.now(UTC) <= timedelta(hours=1, seconds=1)


def test_bringing_in_the_same_again_changes_nothing(using: str) -> None:
    bring_in_all(ENTRIES)
    before = [
        list(model.objects.using(using).order_by("id").values())
        for model in (ScheduledEvent, LedgerEntry)
    ]

    bring_in_all(ENTRIES)

    assert before == [
        list(model.objects.using(using).order_by("id").values())
        for model in (ScheduledEvent, LedgerEntry)
    ]


def test_an_entry_that_is_gone_is_cancelled_with_its_reason(using: str) -> None:
    bring_in_all(ENTRIES)
    bring_in_all({"often": ENTRIES["often"]})

    assert event(using, "nightly").status == "cancelled"
    assert event(using, "often").status == "scheduled"
    cancelled = LedgerEntry.objects.using(using).filter(fact="cancelled")
    assert {entry.actor for entry in cancelled} == {"celery beat: no longer in beat_schedule"}
    bring_in_all(ENTRIES)
    assert event(using, "nightly").status == "scheduled"


def test_an_entry_that_says_something_else_is_rescheduled(using: str) -> None:
    bring_in_all(ENTRIES)
    bring_in_all(ENTRIES | {"nightly": {"task": "reports.build", "schedule": crontab(minute=5)}})

    nightly = event(using, "nightly")
    assert (nightly.rule["expr"], nightly.payload["args"]) == ("5 * * * *", [])


def test_an_entry_that_a_person_has_paused_stays_so(using: str) -> None:
    bring_in_all(ENTRIES)
    for name in ENTRIES:
        duly.pause_event(name, service=SERVICE, note="not this week")

    bring_in_all(ENTRIES)

    assert {event(using, name).status for name in ENTRIES} == {"paused"}


def test_what_json_cannot_say_is_looked_up_when_it_is_due(using: str) -> None:
    lazy = {"task": "report", "schedule": 60, "args": [BeatLazyFunc(datetime.now)]}
    bring_in_all({"lazy": lazy})

    assert event(using, "lazy").payload == {"entry": "lazy"}


def test_a_scheduler_that_is_only_asked_about_itself_starts_nothing(using: str) -> None:
    asked = scheduler_of(ENTRIES)

    assert asked.info == f"    . db -> {using} (duly)"
    asked.close()
    assert ScheduledEvent.objects.using(using).count() == 0
