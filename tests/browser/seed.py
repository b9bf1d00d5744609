"""Fills the service that the browser looks at: run in its folder, as a process of its own."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta

import django

django.setup()

import duly  # noqa: E402
from duly.models import Occurrence  # noqa: E402

ZONES = ("Europe/Berlin", "America/New_York", "Asia/Tokyo", "Australia/Lord_Howe")
IN_A_MOMENT_AND_TOMORROW: tuple[dict[str, float], ...] = ({"seconds": 2}, {"days": 1})
WAIT_SECONDS = 30.0


def reminders() -> None:
    """Schedule what the dashboard has to come: a good many at nine, in several zones."""
    duly.schedule_events(
        [
            duly.NewEvent(
                "reminder",
                duly.Cron(f"{n % 12 * 5} {8 + n % 5} * * *", tz=ZONES[n % 4]),
                entity=("patient", 100 + n),
                payload={"room": n},
            )
            for n in range(60)
        ]
    )


def main() -> None:
    """Schedule everything, wait for what is due now, and print the ids that tests ask for."""
    reminders()
    moment = datetime.now(UTC).replace(tzinfo=None)
    # Of a moment that is over, there would be no further instant.
    soon, later = (duly.At(moment + timedelta(**one), "UTC") for one in IN_A_MOMENT_AND_TOMORROW)
    for n in range(8):
        duly.schedule_event("reminder", soon, entity=("patient", n), key=f"now-{n}")
    visit = duly.schedule_event(
        "reminder",
        duly.Cron("30 9 * * 1-5", tz="Europe/Berlin"),
        key="visit:4711",
        entity=("patient", 4711),
        user_timezone="Europe/Berlin",
        resource_timezone="America/New_York",
        payload={"text": "Your visit is tomorrow.", "room": 12},
    )
    duly.trigger_event(visit.id)
    duly.schedule_event("operation", later, key="operation-1", entity=("theatre", 1))
    duly.schedule_event(
        "reminder", duly.Every(timedelta(days=2)), entity=("patient", 4711), key="pills:4711"
    )
    dead = [
        duly.schedule_event("export", soon, entity=("ward", n), key=f"export-{n}") for n in (3, 4)
    ]
    saga = duly.start_saga("book_surgery", key="surgery:1", entity=("patient", 4711))
    duly.open_breaker("type:transfer")
    rows = Occurrence.objects
    deadline = time.monotonic() + WAIT_SECONDS
    while rows.filter(status="dead").count() < 2 or rows.exclude(finished_at=None).count() < 12:
        if time.monotonic() > deadline:
            raise SystemExit(f"still {list(rows.values_list('event_type', 'status'))}")
        time.sleep(0.05)
    found = {
        "event": visit.id,
        "occurrence": rows.get(event=visit).id,
        "dead": [rows.get(event=one).id for one in dead],
        "saga": saga.id,
    }
    print(json.dumps(found, default=str))


main()
