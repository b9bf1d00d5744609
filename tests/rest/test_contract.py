"""The contract: what its clients send, and what they get."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from duly.models import LedgerEntry, ScheduledEvent
from duly.policy.scopes import Scope
from tests.rest.conftest import Api

Caller = Callable[..., Api]


def test_an_event_is_scheduled_in_civil_time(api: Api, using: str, reminder: Any) -> None:
    answer = api("POST", "events/schedule", reminder)

    event = ScheduledEvent.objects.using(using).get()
    assert answer.status_code == 201
    assert answer.json() == {
        "event_id": str(event.id),
        "scheduled_time": "2031-03-30T09:00:00+02:00",
        "timezone_context": reminder["timezone_context"],
        "status": "scheduled",
    }
    assert (event.event_type, event.service) == ("appointment_reminder", "clinic")
    assert (event.entity_type, event.entity_id) == ("appointment", "42")
    entry = LedgerEntry.objects.using(using).get(fact="scheduled")
    assert entry.actor.startswith("key:clinic/")


def test_a_time_with_an_offset_is_that_instant(api: Api, reminder: Any) -> None:
    answer = api(
        "POST", "events/schedule", reminder | {"scheduled_time": "2031-03-30T07:00:00.500Z"}
    )

    assert answer.json()["scheduled_time"] == "2031-03-30T09:00:00.500000+02:00"


def test_the_same_id_gives_the_same_event(api: Api, using: str, reminder: Any) -> None:
    asked = reminder | {"id": "appointment:42:reminder"}

    first = api("POST", "events/schedule", asked)
    again = api("POST", "events/schedule", asked)
    by_header = api(
        "POST", "events/schedule", reminder, Idempotency_Key='"appointment:42:reminder"'
    )

    assert [one.status_code for one in (first, again, by_header)] == [201, 200, 200]
    assert first.json() == again.json() == by_header.json()
    assert ScheduledEvent.objects.using(using).count() == 1


def test_an_id_is_not_used_for_other_content(api: Api, reminder: Any) -> None:
    api("POST", "events/schedule", reminder | {"id": "k"})

    answer = api("POST", "events/schedule", reminder | {"id": "k", "payload": {"channel": "mail"}})

    assert answer.status_code == 409
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["field"] == "id"
    assert answer.json()["value"] == "k"


def test_a_repetition_does_not_revive_what_was_cancelled(api: Api, reminder: Any) -> None:
    asked = reminder | {"id": "k"}
    api("POST", "events/schedule", asked)
    api("DELETE", "events/k")

    again = api("POST", "events/schedule", asked)
    anew = api("POST", "events/schedule", asked | {"on_conflict": "replace"})

    assert (again.status_code, again.json()["status"]) == (200, "cancelled")
    assert (anew.status_code, anew.json()["status"]) == (200, "scheduled")


@pytest.mark.parametrize(
    ("recurrence", "first", "second"),
    [
        pytest.param(
            {"frequency": "weekly", "interval": 2, "by_day": ["SU"]},
            "2031-03-30T09:00:00+02:00",
            "2031-04-13T09:00:00+02:00",
            id="weekly",
        ),
        pytest.param(
            {"frequency": "DAILY", "count": 5, "until": None},
            "2031-03-30T09:00:00+02:00",
            "2031-03-31T09:00:00+02:00",
            id="daily",
        ),
        pytest.param(
            {"frequency": "monthly", "by_month_day": [-1], "timezone": "Asia/Tokyo"},
            "2031-03-31T16:00:00+09:00",
            "2031-04-30T16:00:00+09:00",
            id="in-a-zone-of-its-own",
        ),
        pytest.param(
            {"frequency": "yearly", "by_month": [3], "by_month_day": 30, "until": "2033-12-31"},
            "2031-03-30T09:00:00+02:00",
            "2032-03-30T09:00:00+02:00",
            id="yearly",
        ),
    ],
)
def test_a_recurrence_fires_again(
    api: Api, reminder: Any, recurrence: Any, first: str, second: str
) -> None:
    answer = api("POST", "events/schedule", reminder | {"recurrence": recurrence})

    assert answer.status_code == 201, answer.json()
    listed = api("GET", "events/upcoming?limit=2&entity_id=42").json()
    assert [one["scheduled_time"] for one in listed] == [first, second]


def test_retries_and_timeout_become_policies(api: Api, using: str, reminder: Any) -> None:
    policies = {"max_retries": 2, "retry_delay_seconds": 60, "timeout_seconds": 5}
    api("POST", "events/schedule", reminder | policies)

    event = ScheduledEvent.objects.using(using).get()
    assert event.handling == {
        "retry": {"attempts": 3, "base": 60.0, "cap": 3600.0},
        "timeout": 5.0,
    }


def test_upcoming_is_given_in_the_asked_zone(api: Api, reminder: Any) -> None:
    event_id = api("POST", "events/schedule", reminder | {"id": "k"}).json()["event_id"]

    answer = api(
        "GET",
        "events/upcoming?entity_id=42&service_id=clinic&start_time=2031-03-30T00:00"
        "&end_time=2031-03-31T00:00&timezone=America/New_York&limit=10",
    )

    assert answer.status_code == 200
    assert answer.json() == [
        {
            "id": "k",
            "event_id": event_id,
            "type": "appointment_reminder",
            "service_id": "clinic",
            "entity_id": "42",
            "scheduled_time": "2031-03-30T03:00:00-04:00",
            "timezone_context": reminder["timezone_context"],
            "status": "scheduled",
            "payload": {"channel": "sms"},
        }
    ]


def test_upcoming_goes_on_from_page_to_page(api: Api, reminder: Any) -> None:
    for _ in range(4):
        api("POST", "events/schedule", reminder)
    daily = {"schedule": {"cron": "0 9 * * *", "timezone": "Europe/Berlin"}}
    rest = {key: reminder[key] for key in ("type", "entity_id", "payload")}
    api(
        "POST",
        "events/schedule",
        rest
        | {
            "schedule": daily["schedule"] | {"start": "2031-03-29T00:00", "end": "2031-04-02T00:00"}
        },
    )
    path = "events/upcoming?limit=3"

    seen: list[Any] = []
    while path:
        answer = api("GET", path)
        assert answer.status_code == 200, answer.json()
        seen += [(one["scheduled_time"], one["event_id"]) for one in answer.json()]
        cursor = answer.headers.get("X-Next-Cursor")
        path = f"events/upcoming?limit=3&cursor={cursor}" if cursor else ""
        assert bool(cursor) == ("Link" in answer.headers)

    assert len(seen) == len(set(seen)) == 8
    assert seen == sorted(seen)


def test_an_event_is_found_by_its_event_id_and_by_its_id(api: Api, reminder: Any) -> None:
    event_id = api("POST", "events/schedule", reminder | {"id": "k"}).json()["event_id"]

    by_id, by_key = api("GET", f"events/{event_id}"), api("GET", "events/k")

    assert by_id.status_code == by_key.status_code == 200
    assert by_id.json() == by_key.json()
    assert by_id.json()["event_id"] == event_id
    assert by_id.json()["schedule"]["kind"] == "at"
    assert by_id["ETag"] == by_key["ETag"]


def test_an_event_is_cancelled_once(api: Api, reminder: Any) -> None:
    event_id = api("POST", "events/schedule", reminder).json()["event_id"]

    first, again = api("DELETE", f"events/{event_id}"), api("DELETE", f"events/{event_id}")

    assert (first.status_code, again.status_code) == (200, 404)
    assert first.json() == {"status": "cancelled", "event_id": event_id}
    assert again["Content-Type"] == "application/problem+json"


def test_the_events_of_an_entity_are_cancelled(
    api: Api, caller: Caller, using: str, reminder: Any
) -> None:
    other = caller("billing")
    for one in (reminder, reminder, reminder | {"entity_id": "43"}):
        api("POST", "events/schedule", one)
    other("POST", "events/schedule", reminder | {"service_id": "billing"})

    answer = api("DELETE", "events/entity/42")
    nothing = api("DELETE", "events/entity/42")

    assert answer.json() == {"status": "cancelled", "entity_id": "42", "events_cancelled": 2}
    assert nothing.json() == {"status": "cancelled", "entity_id": "42", "events_cancelled": 0}
    alive = ScheduledEvent.objects.using(using).filter(status="scheduled")
    assert sorted(alive.values_list("service", "entity_id")) == [
        ("billing", "42"),
        ("clinic", "43"),
    ]


def test_a_moment_is_read_in_other_zones(api: Api) -> None:
    answer = api(
        "POST",
        "events/timezone/convert",
        {
            "time": "2031-03-30T09:00:00",
            "from_timezone": "Europe/Berlin",
            "to_timezones": ["UTC", "Asia/Kolkata"],
        },
    )

    assert answer.status_code == 200, answer.json()
    said = answer.json()
    assert said["original_time"] == "2031-03-30T09:00:00"
    assert {zone: one["local"] for zone, one in said["conversions"].items()} == {
        "UTC": "2031-03-30T07:00:00+00:00",
        "Asia/Kolkata": "2031-03-30T12:30:00+05:30",
    }


def test_two_zones_are_compared(api: Api) -> None:
    answer = api(
        "POST",
        "events/timezone/validate",
        {"resource_timezone": "Europe/Berlin", "user_timezone": "Asia/Kolkata"},
    )

    assert answer.status_code == 200
    assert set(answer.json()) == {
        "resource_timezone",
        "user_timezone",
        "offset_difference_hours",
        "resource_dst_active",
        "user_dst_active",
        "warnings",
        "compatible",
    }
    assert answer.json()["compatible"] is True


def test_what_is_anothers_is_not_there(api: Api, caller: Caller, reminder: Any) -> None:
    event_id = api("POST", "events/schedule", reminder | {"id": "k"}).json()["event_id"]
    other, admin = caller("billing"), caller("operations", Scope.ADMIN)

    for method, path in [
        ("GET", f"events/{event_id}"),
        ("GET", "events/k"),
        ("GET", f"events/{event_id}/explain"),
        ("DELETE", f"events/{event_id}"),
        ("POST", f"events/{event_id}/pause"),
        ("POST", f"events/{event_id}/trigger"),
        ("POST", f"events/{event_id}/skip"),
    ]:
        answer = other(method, path)
        unknown = other(method, path.replace(event_id, "0" * 32).replace("/k", "/unknown"))
        assert answer.status_code == unknown.status_code == 404, path
        assert answer.json().keys() == unknown.json().keys()
    assert other("GET", "events/upcoming").json() == []
    assert other("GET", "events").json()["items"] == []
    assert other("POST", "events/schedule", reminder).status_code == 403
    assert other("GET", "events/upcoming?service_id=clinic").status_code == 403
    assert admin("GET", f"events/{event_id}").status_code == 200
    assert len(admin("GET", "events/upcoming").json()) == 1


def test_a_scope_that_is_missing_is_named(caller: Caller, reminder: Any) -> None:
    reader = caller("clinic", Scope.READ)

    answer = reader("POST", "events/schedule", reminder)

    assert answer.status_code == 403
    assert answer.json()["value"] == "schedule"
