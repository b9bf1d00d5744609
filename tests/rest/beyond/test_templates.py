"""Event templates: stored once what could be scheduled, and scheduled from."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from duly.models import EventTemplate, ScheduledEvent
from tests.rest.beyond.conftest import Asker, Become, questions

REMINDER: dict[str, Any] = {
    "name": "visit-reminder",
    "type": "APPOINTMENT_REMINDER",
    "schedule": {"before": {"days": 1, "at": "09:00"}},
    "entity_type": "appointment",
    "payload": {"channel": "sms", "text": "See you tomorrow"},
    "timezone_context": {"execution_timezone": "Europe/Berlin"},
    "max_retries": 2,
    "priority": 5,
}


@pytest.fixture
def stored(ask: Asker) -> Any:
    return ask.post("templates", REMINDER, status=201)


def content(**changes: Any) -> dict[str, Any]:
    """Give what a template says, but for its name."""
    return {name: value for name, value in REMINDER.items() if name != "name"} | changes


def test_a_template_is_shown_as_it_was_stored(ask: Asker, stored: Any) -> None:
    assert ask.get("templates/visit-reminder") == stored
    assert stored["type"] == "appointment_reminder"
    assert stored["schedule"] == {"before": {"days": 1, "at": "09:00"}}
    assert stored["handling"] == {"max_retries": 2, "priority": 5}
    assert (stored["service_id"], stored["version"]) == ("default", 1)


def test_an_event_is_scheduled_so_long_before_the_time(using: str, ask: Asker, stored: Any) -> None:
    answer = ask.post(
        "templates/visit-reminder/schedule",
        {"time": "2026-10-25T14:30", "entity_id": "42", "payload": {"text": "Bis morgen"}},
        status=201,
    )

    # On the calendar: the clocks change in between.
    assert answer["scheduled_time"] == "2026-10-24T09:00:00+02:00"
    event = ScheduledEvent.objects.using(using).get()
    assert event.payload == {"channel": "sms", "text": "Bis morgen"}
    assert (event.entity_type, event.entity_id) == ("appointment", "42")
    assert event.handling["priority"] == 5
    assert event.handling["retry"]["attempts"] == 3


def test_what_is_given_goes_before_the_template(using: str, ask: Asker, stored: Any) -> None:
    answer = ask.post(
        "templates/visit-reminder/schedule",
        {
            "time": "2026-07-01T14:30:00Z",
            "timezone_context": {"execution_timezone": "America/New_York"},
            "priority": 0,
            "payload": None,
        },
        status=201,
    )

    assert answer["scheduled_time"] == "2026-06-30T09:00:00-04:00"
    event = ScheduledEvent.objects.using(using).get()
    assert "priority" not in event.handling
    assert event.payload is None


def test_the_same_again_under_the_same_key_is_the_same_event(ask: Asker, stored: Any) -> None:
    use = {"time": "2026-07-01T14:30", "id": "visit-42"}
    path = "templates/visit-reminder/schedule"

    first = ask.post(path, use, status=201)

    assert ask.post(path, use, status=200)["event_id"] == first["event_id"]
    header = ask.post(path, {"time": "2026-07-01T14:30"}, 200, Idempotency_Key="visit-42")
    assert header["event_id"] == first["event_id"]
    ask.post(path, use | {"time": "2026-07-02T14:30"}, status=409)


@pytest.mark.parametrize(
    ("schedule", "time", "due"),
    [
        ({"at": "$time"}, "2026-07-01T14:30", "2026-07-01T14:30:00+02:00"),
        ({"at": "$time"}, "2026-07-01T14:30:00Z", "2026-07-01T16:30:00+02:00"),
        ({"after": {"hours": 2}}, "2026-07-01T14:30", "2026-07-01T16:30:00+02:00"),
        (
            {"before": {"hours": 2}, "timezone": "UTC"},
            "2026-07-01T14:30",
            "2026-07-01T12:30:00+00:00",
        ),
        (
            {"cron": "0 9 * * mon", "start": "$time"},
            "2026-07-01T00:00",
            "2026-07-06T09:00:00+02:00",
        ),
        ({"cron": "0 9 * * mon"}, None, "2026-06-08T09:00:00+02:00"),
    ],
)
def test_a_time_stands_wherever_a_schedule_wants_it(
    schedule: Any, time: str | None, due: str, ask: Asker
) -> None:
    ask.post("templates", content(name="one", schedule=schedule), status=201)
    use = {} if time is None else {"time": time}

    assert ask.post("templates/one/schedule", use, status=201)["scheduled_time"] == due


def test_a_time_that_is_missing_or_not_used_is_named(ask: Asker, stored: Any) -> None:
    ask.post("templates", content(name="weekly", schedule={"cron": "0 9 * * mon"}), status=201)

    missing = ask.post("templates/visit-reminder/schedule", {}, status=422)
    unused = ask.post("templates/weekly/schedule", {"time": "2026-07-01T09:00"}, status=422)

    assert missing["field"] == unused["field"] == "time"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"schedule": {"cron": "61 * * * *"}}, "schedule.cron"),
        ({"schedule": {"at": "$time", "cron": "* * * * *"}}, "schedule"),
        ({"schedule": {"before": {}}}, "schedule.before"),
        ({"schedule": {"before": {"days": 1}, "cron": "* * * * *"}}, "schedule"),
        ({"schedule": {"before": {"days": 1}, "at": "$time"}}, "schedule"),
        ({"schedule": {"before": {"days": -1}}}, None),
        ({"timezone_context": {"execution_timezone": "Mars/Olympus"}}, None),
        ({"timezone_context": None}, None),
        ({"max_retries": -1}, "max_retries"),
        ({"type": "no good"}, "type"),
        ({"payload": {"a": "x" * 70_000}}, "payload"),
        ({"on_tzdata_change": "keep_instant", "schedule": {"cron": "0 9 * * *"}}, None),
    ],
)
def test_what_could_make_no_event_is_not_stored(
    changes: Any, field: str | None, using: str, ask: Asker
) -> None:
    problem = ask.post("templates", content(name="bad", **changes), status=422)

    assert problem["detail"]
    if field:
        assert problem["field"] == field
    assert not EventTemplate.objects.using(using).exists()


def test_a_type_without_handler_is_not_stored(using: str, settings: Any, ask: Asker) -> None:
    settings.DULY = {"DATABASE": using}

    assert ask.post("templates", REMINDER, status=422)["field"] == "type"


def test_a_change_is_refused_where_somebody_was_quicker(ask: Asker, stored: Any) -> None:
    path = "templates/visit-reminder"
    tag = ask("GET", path)["ETag"]
    changed = ask("PUT", path, content(priority=1), If_Match=tag)
    assert (changed.status_code, changed.json()["version"]) == (200, 2)

    late = ask("PUT", path, content(priority=9), If_Match=tag)

    assert (late.status_code, late["ETag"]) == (412, changed["ETag"])
    assert ask("DELETE", path, If_Match=tag).status_code == 412
    assert ask.get(path)["handling"]["priority"] == 1
    assert ask("DELETE", path, If_Match=changed["ETag"]).status_code == 204
    ask.get(path, status=404)


def test_events_stay_as_they_are_when_their_template_changes(
    using: str, ask: Asker, stored: Any
) -> None:
    ask.post("templates/visit-reminder/schedule", {"time": "2026-07-01T14:30"}, status=201)

    ask("PUT", "templates/visit-reminder", content(payload={"channel": "mail"}))
    ask("DELETE", "templates/visit-reminder")

    assert ScheduledEvent.objects.using(using).get().payload["channel"] == "sms"


def test_a_name_is_taken_once_in_a_service(ask: Asker, other: Asker, stored: Any) -> None:
    assert ask.post("templates", REMINDER, status=409)["field"] == "name"
    other.post("templates", REMINDER, status=201)


def test_the_templates_of_another_service_are_not_there(
    ask: Asker, other: Asker, admin: Asker, stored: Any
) -> None:
    path = "templates/visit-reminder"

    other.get(path, status=404)
    other.post(f"{path}/schedule", {"time": "2026-07-01T14:30"}, status=404)
    assert other("PUT", path, content()).status_code == 404
    assert other("DELETE", path).status_code == 404
    assert other.get("templates")["items"] == []
    other.get(f"{path}?service_id=default", status=403)
    assert len(admin.get("templates")["items"]) == 1
    assert admin.get(f"{path}?service_id=default")["name"] == "visit-reminder"


def test_templates_come_in_pages_at_the_same_cost(using: str, ask: Asker) -> None:
    for name in "abcdef":
        ask.post("templates", content(name=name), status=201)

    def asked(path: str) -> Any:
        with CaptureQueriesContext(connections[using]) as queries:
            page = ask.get(path)
        return [one["name"] for one in page["items"]], page["next_cursor"], questions(queries)

    asked("templates?limit=2")
    first, cursor, cost = asked("templates?limit=2")
    rest, _, cost_of_more = asked(f"templates?limit=20&cursor={cursor}")

    assert first + rest == list("abcdef")
    assert cost == cost_of_more


def test_storing_needs_the_scope_to_schedule(using: str, become: Become) -> None:
    become("default", "read").post("templates", REMINDER, status=403)


def test_events_from_templates_are_counted_against_the_quota(
    using: str, settings: Any, ask: Asker, stored: Any
) -> None:
    settings.DULY = {
        "DATABASE": using,
        "STRICT": False,
        "SERVICES": {"default": {"quota": {"pending": 1}}},
    }
    path = "templates/visit-reminder/schedule"
    ask.post(path, {"time": "2031-07-01T14:30"}, status=201)

    refused = ask("POST", path, {"time": "2031-07-02T14:30"})

    assert refused.status_code == 429
