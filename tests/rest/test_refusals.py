"""What is refused, and how: a problem that says what, where and by which rule; never a 500."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from duly import scheduling
from duly.models import ScheduledEvent
from tests.rest.conftest import Api

DEEP = 10_000


def is_problem(answer: Any, status: int) -> Any:
    """Check that an answer is a problem, and give its members."""
    assert answer.status_code == status, answer.content[:500]
    assert answer["Content-Type"] == "application/problem+json"
    members = answer.json()
    assert members["status"] == status
    assert members["type"].startswith("urn:duly:problem:")
    assert members["title"]
    assert members["detail"]
    return members


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="half"),
        pytest.param(b"[" * DEEP + b"]" * DEEP, id="deep-lists"),
        pytest.param(b'{"a":' * DEEP + b"1" + b"}" * DEEP, id="deep-objects"),
        pytest.param(b'{"type": "a", "payload": ' + b"[" * 60 + b"]" * 60 + b"}", id="too-deep"),
        pytest.param(b'{"type": "a", "payload": NaN}', id="nan"),
        pytest.param(b'{"type": "a", "payload": -Infinity}', id="infinity"),
        pytest.param(b'{"type": "a", "payload": 1e999}', id="too-large-a-number"),
        pytest.param(b'{"type": "a", "payload": ' + b"9" * 5000 + b"}", id="too-many-digits"),
        pytest.param(b'{"type": "a", "type": "b"}', id="a-name-twice"),
        pytest.param(b'{"type": "a", "payload": "\\u0000"}', id="nul"),
        pytest.param(b'{"type": "a", "payload": "\\ud800"}', id="half-a-surrogate-pair"),
        pytest.param(b'{"type": "\xff"}', id="not-utf-8"),
        pytest.param(json.dumps({"type": "a"}).encode("utf-16"), id="utf-16"),
    ],
)
def test_what_is_no_json_is_refused(api: Api, raw: bytes) -> None:
    is_problem(api("POST", "events/schedule", raw), 400)
    if raw:
        is_problem(api("POST", "events/timezone/convert", raw), 400)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"type": None}, "type"),
        ({"type": 7}, "type"),
        ({"type": "a b"}, "type"),
        ({"type": "x" * 101}, "type"),
        ({"service_id": 7}, "service_id"),
        ({"entity_id": ""}, "entity_id"),
        ({"entity_id": True}, "entity_id"),
        ({"entity_id": "x" * 201}, "entity_id"),
        ({"entity_id": None}, "entity_id"),
        ({"entity_type": ["a"]}, "entity_type"),
        ({"scheduled_time": "tomorrow"}, "scheduled_time"),
        ({"scheduled_time": 7}, "scheduled_time"),
        ({"scheduled_time": "2031-02-30T09:00"}, "scheduled_time"),
        ({"scheduled_time": "2031-02-30T09:00Z"}, "scheduled_time"),
        ({"scheduled_time": "0001-01-01T00:00:00+23:59"}, "scheduled_time"),
        ({"timezone_context": {"execution_timezone": "Mars/Olympus"}}, None),
        ({"timezone_context": {"execution_timezone": 7}}, None),
        ({"timezone_context": {"zone": "UTC"}}, "timezone_context.zone"),
        ({"timezone_context": {}}, "timezone_context.execution_timezone"),
        ({"timezone_context": "UTC"}, "timezone_context"),
        ({"payload": "x" * 70_000}, "payload"),
        ({"recurrence": {"frequency": "sometimes"}}, "recurrence"),
        ({"recurrence": {"frequency": "daily", "hourly": 1}}, "recurrence.hourly"),
        ({"recurrence": []}, "recurrence"),
        ({"recurrence": {"frequency": "daily", "timezone": 7}}, "recurrence.timezone"),
        ({"recurrence": {"frequency": "daily", "interval": 0}}, "recurrence"),
        ({"recurrence": {"frequency": "daily", "by_day": [{}]}}, "recurrence"),
        ({"max_retries": -1}, "max_retries"),
        ({"max_retries": 1.5}, "max_retries"),
        ({"max_retries": True}, "max_retries"),
        ({"retry_delay_seconds": "soon"}, "retry_delay_seconds"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
        ({"timeout_seconds": 1e300}, "timeout_seconds"),
        ({"priority": 10}, "priority"),
        ({"overlap": "maybe"}, "overlap"),
        ({"catch_up": ["all"]}, "catch_up"),
        ({"on_tzdata_change": "panic"}, "on_tzdata_change"),
        ({"on_tzdata_change": {}}, "on_tzdata_change"),
        ({"on_conflict": "fight"}, "on_conflict"),
        ({"id": 7}, "id"),
        ({"id": ""}, "id"),
        ({"id": "x" * 201}, "id"),
        ({"id": "a\nb"}, "id"),
        ({"gap": "jump"}, "scheduled_time"),
        ({"gap": 7}, "scheduled_time"),
        ({"sheduled_time": "2031-01-01T00:00"}, "sheduled_time"),
        ({"schedule": {"cron": "0 9 * * *"}}, "scheduled_time"),
    ],
    ids=lambda value: str(value)[:50] if isinstance(value, dict) else "",
)
def test_a_field_that_breaks_its_rule_is_named(
    api: Api, using: str, reminder: Any, change: Any, field: str | None
) -> None:
    members = is_problem(api("POST", "events/schedule", reminder | change), 422)

    assert members["field"] == (field or "timezone_context.execution_timezone")
    assert members["rule"]
    assert not ScheduledEvent.objects.using(using).exists()


@pytest.mark.parametrize(
    "schedule",
    [
        7,
        {},
        {"cron": 7},
        {"cron": "* * * *"},
        {"cron": "0 9 * * *", "every": 5},
        {"cron": "0 9 * * *", "colour": "red"},
        {"cron": "0 9 * * *", "timezone": 7},
        {"cron": "0 9 * * *", "timezone": "Mars/Olympus"},
        {"cron": "0 9 * * *", "calendar": 7},
        {"cron": "0 9 * * *", "calendar": {"country": ["DE"]}},
        {"cron": "0 9 * * *", "jitter": "x"},
        {"cron": "0 9 * * *", "gap": 7},
        {"cron": "0 9 * * *", "start": []},
        {"cron": "0 9 * * *", "max_occurrences": "3"},
        {"cron": "0 0 30 2 *"},
        {"at": 7},
        {"at": "2031-01-01T00:00Z", "fold": "both"},
        {"at": "2031-01-01T00:00Z", "colour": "red"},
        {"at": "2031-01-01T00:00", "seed": {}},
        {"rrule": 7},
        {"rrule": "FREQ=DAILY"},
        {"rrule": "FREQ=DAILY", "start": 7},
        {"rrule": "FREQ=DAILY", "start": "2031-01-01T00:00", "exdates": 7},
        {"rrule": "FREQ=DAILY", "start": "2031-01-01T00:00", "rdates": [[]]},
        {"rrule": "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30", "start": "2031-01-01T00:00"},
        {"every": 0},
        {"every": -5},
        {"every": 1e300},
        {"every": "a while"},
        {"every": True},
        {"every": "PT5M", "anchor": 7},
        {"kind": "never"},
        {"kind": []},
        {"kind": "every", "microseconds": 10**400},
        {"frequency": "daily"},
        {"frequency": 7},
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_schedule_that_breaks_a_rule_is_refused(api: Api, using: str, schedule: Any) -> None:
    asked = {
        "type": "remind",
        "schedule": schedule,
        "timezone_context": {"execution_timezone": "Europe/Berlin"},
    }

    members = is_problem(api("POST", "events/schedule", asked), 422)

    assert members["field"].startswith("schedule")
    is_problem(api("POST", "rules/preview", {"schedule": schedule}), 422)


@pytest.mark.parametrize("header", ["\x00", "é" * 300, "a\tb"])
def test_a_bad_idempotency_key_is_refused(api: Api, reminder: Any, header: str) -> None:
    is_problem(api("POST", "events/schedule", reminder, Idempotency_Key=header), 422)


def test_a_body_that_is_too_large_is_refused_before_it_is_read(
    api: Api, settings: Any, reminder: Any
) -> None:
    settings.DULY = settings.DULY | {"REST_BODY_MAX_BYTES": 1000}

    members = is_problem(api("POST", "events/schedule", reminder | {"payload": "x" * 1000}), 413)

    assert "1000 bytes" in members["rule"]
    is_problem(api("POST", "events/x/pause", b'{"note": "' + b"x" * 1000 + b'"}'), 413)


def test_a_compressed_body_is_refused(api: Api, reminder: Any) -> None:
    is_problem(api("POST", "events/schedule", reminder, Content_Encoding="gzip"), 415)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("events/upcoming?entity=42", "entity"),
        ("events/upcoming?limit=0", "limit"),
        ("events/upcoming?limit=1001", "limit"),
        ("events/upcoming?limit=x", "limit"),
        ("events/upcoming?limit=5&limit=6", "limit"),
        ("events/upcoming?start_time=x", "start_time"),
        ("events/upcoming?end_time=1900-01-01T00:00Z", "end_time"),
        ("events/upcoming?timezone=Mars", "timezone"),
        ("events/upcoming?entity_id=%00", "entity_id"),
        ("events/upcoming?cursor=x", "cursor"),
        ("events/upcoming?cursor=W10", "cursor"),
        ("events?status=asleep", "status"),
        ("events?type=a%20b", "type"),
        ("events?cursor=WyJhIl0", "cursor"),
        ("events/x?colour=red", "colour"),
    ],
)
def test_a_bad_parameter_is_named(api: Api, path: str, field: str) -> None:
    assert is_problem(api("GET", path), 422)["field"] == field


@pytest.mark.parametrize("id_", ["unknown", "0" * 32, "%00", "a%2Fb", "💥", "'; DROP TABLE x; --"])
def test_an_unknown_event_is_not_found(api: Api, id_: str) -> None:
    is_problem(api("GET", f"events/{id_}"), 404)
    is_problem(api("DELETE", f"events/{id_}"), 404)


def test_an_unknown_address_and_method_are_problems_too(api: Api) -> None:
    is_problem(api("GET", "nowhere"), 404)
    is_problem(api("GET", ""), 404)
    answer = api("PUT", "events/x", {})
    is_problem(answer, 405)
    assert answer["Allow"] == "DELETE, GET, PATCH"


def test_without_a_key_nothing_is_answered(using: str) -> None:
    answer = Client().get("/api/events/upcoming")

    is_problem(answer, 401)
    assert answer["WWW-Authenticate"]


def test_a_database_that_is_away_is_said_so(
    api: Api, reminder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: Any, **options: Any) -> Any:
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(scheduling, "schedule_events", away)

    answer = api("POST", "events/schedule", reminder)

    is_problem(answer, 503)
    assert answer["Retry-After"] == "1"


def test_what_nobody_expected_is_no_more_than_logged(
    api: Api,
    reminder: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*args: Any, **options: Any) -> Any:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(scheduling, "schedule_events", broken)

    members = is_problem(api("POST", "events/schedule", reminder), 500)

    assert "secret" not in json.dumps(members)
    assert "ZeroDivisionError: secret" in caplog.text


def test_a_problem_shows_no_more_of_a_value_than_helps(api: Api, reminder: Any) -> None:
    members = is_problem(api("POST", "events/schedule", reminder | {"type": "é" * 40_000}), 422)

    assert len(json.dumps(members)) < 4000


def test_quotas_are_told_and_held(caller: Callable[..., Api], settings: Any, reminder: Any) -> None:
    settings.DULY = settings.DULY | {"SERVICES": {"clinic": {"quota": {"pending": 1}}}}
    api = caller()

    first = api("POST", "events/schedule", reminder)
    second = api("POST", "events/schedule", reminder)

    assert first.status_code == 201, first.json()
    assert "RateLimit" in first.headers
    assert is_problem(second, 429)["field"] == "pending"
    assert int(second["Retry-After"]) >= 1
