"""Changes of events and firings, and what rules say of themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from duly.models import LedgerEntry, Occurrence, ScheduledEvent
from duly.policy.scopes import Scope
from tests.rest.conftest import Api
from tests.rest.test_refusals import is_problem

DAILY = {
    "type": "report",
    "schedule": {"cron": "0 9 * * *", "timezone": "Europe/Berlin", "start": "2031-03-29T00:00"},
    "id": "daily",
    "max_retries": 2,
    "payload": {"n": 1},
}


@pytest.fixture
def daily(api: Api) -> str:
    event_id: str = api("POST", "events/schedule", DAILY).json()["event_id"]
    return event_id


def upcoming(api: Api) -> list[str]:
    listed = api("GET", "events/upcoming?limit=3&timezone=Europe/Berlin").json()
    return [one["scheduled_time"][:16] for one in listed]


def test_a_patch_changes_what_it_names_and_nothing_else(api: Api, using: str, daily: str) -> None:
    before = api("GET", "events/daily")
    answer = api(
        "PATCH",
        "events/daily",
        {
            "payload": {"n": 2},
            "priority": 5,
            "retry_delay_seconds": 60,
            "timezone_context": {"user_timezone": "Asia/Tokyo"},
        },
    )

    assert answer.status_code == 200, answer.json()
    after = answer.json()
    assert after["payload"] == {"n": 2}
    assert after["handling"] == {
        "retry": {"attempts": 3, "base": 60.0, "cap": 3600.0},
        "priority": 5,
    }
    assert after["timezone_context"]["user_timezone"] == "Asia/Tokyo"
    assert after["scheduled_time"] == before.json()["scheduled_time"]
    assert after["schedule"] == before.json()["schedule"]
    assert answer["ETag"] not in ("", before["ETag"])
    entry = LedgerEntry.objects.using(using).get(fact="amended")
    assert entry.data == {"fields": ["handling", "payload", "user_timezone"]}


def test_a_patch_gives_another_time(api: Api, daily: str) -> None:
    answer = api("PATCH", "events/daily", {"scheduled_time": "2031-05-01T10:00", "payload": None})

    assert answer.json()["scheduled_time"] == "2031-05-01T10:00:00+02:00"
    assert answer.json()["payload"] is None
    assert upcoming(api) == ["2031-05-01T10:00"]


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ({"type": "other"}, "type"),
        ({"payload": "x" * 70_000}, "payload"),
        ({"priority": "high"}, "priority"),
        (
            {"timezone_context": {"execution_timezone": "UTC"}},
            "timezone_context.execution_timezone",
        ),
        ({"on_tzdata_change": "keep_instant"}, "on_tzdata_change"),
        ({"schedule": {"cron": "x"}}, "schedule.cron"),
        ([], "body"),
    ],
    ids=str,
)
def test_a_patch_that_breaks_a_rule_changes_nothing(
    api: Api, daily: str, patch: Any, field: str
) -> None:
    before = api("GET", "events/daily")

    assert is_problem(api("PATCH", "events/daily", patch), 422)["field"] == field

    assert api("GET", "events/daily").json() == before.json()


def test_a_change_for_another_state_is_refused(api: Api, daily: str) -> None:
    tag = api("GET", "events/daily")["ETag"]
    api("PATCH", "events/daily", {"payload": 2})

    for method, path, body in [
        ("PATCH", "events/daily", {"payload": 3}),
        ("DELETE", "events/daily", {}),
        ("POST", "events/daily/pause", {}),
        ("POST", "events/daily/reschedule", {"scheduled_time": "2031-05-01T10:00"}),
        ("POST", "events/daily/trigger", {}),
        ("POST", "events/daily/skip", {}),
    ]:
        answer = api(method, path, body, If_Match=tag)
        assert is_problem(answer, 412)["field"] == "If-Match"

    tag = api("GET", "events/daily")["ETag"]
    assert api("PATCH", "events/daily", {"payload": 3}, If_Match=f'"x", {tag}').status_code == 200
    assert api("DELETE", "events/daily", If_Match="*").status_code == 200


def test_an_event_is_rescheduled_paused_resumed_and_triggered(
    api: Api, using: str, daily: str
) -> None:
    moved = api("POST", "events/daily/reschedule", {"schedule": {"cron": "0 10 * * *"}})
    paused = api("POST", "events/daily/pause", {"note": "holiday"})
    status = api("GET", "events/daily").json()
    again = api("POST", "events/daily/pause")
    resumed = api("POST", "events/daily/resume")
    refused = api("POST", "events/daily/resume")
    triggered = api("POST", "events/daily/trigger")

    assert [one.status_code for one in (moved, paused, again, resumed)] == [200] * 4
    assert paused.json() == {"event_id": daily, "status": "done", "running_since": None}
    assert (status["status"], status["reason"]) == ("paused", "holiday")
    is_problem(refused, 409)
    assert triggered.status_code == 201
    born = Occurrence.objects.using(using).get()
    assert triggered.json()["occurrence_id"] == str(born.id)
    assert status["schedule"]["tz"] == "Europe/Berlin"


def test_a_firing_is_skipped_and_another_moved(api: Api, daily: str) -> None:
    skipped = api("POST", "events/daily/skip")
    moved = api(
        "POST",
        "events/daily/move",
        {"due_at": "2031-03-30T07:00:00Z", "to": "2031-03-30T12:00:00Z"},
    )
    no_firing = api("POST", "events/daily/skip", {"due_at": "2031-04-05T00:00:00Z"})

    assert (skipped.status_code, moved.status_code) == (200, 200), moved.json()
    assert upcoming(api)[0] == "2031-03-31T09:00"
    is_problem(no_firing, 422)


def test_past_firings_are_made_up_for(api: Api) -> None:
    hourly = {"every": "PT1H", "anchor": "2026-01-01T00:00:00Z"}
    api("POST", "events/schedule", {"type": "report", "id": "hourly", "schedule": hourly})
    span = {"start": "2026-01-01T00:30:00Z", "end": "2026-01-01T03:30:00Z"}

    answer = api("POST", "events/hourly/backfill", span)

    assert answer.status_code == 200, answer.json()
    assert [one["due_at"] for one in answer.json()["occurrences"]] == [
        f"2026-01-01T0{hour}:00:00+00:00" for hour in (1, 2, 3)
    ]
    members = is_problem(api("POST", "events/hourly/backfill", span | {"limit": 1}), 422)
    assert "more than 1 firings" in members["detail"]


def test_another_time_can_be_planned(api: Api, using: str, daily: str) -> None:
    before = ScheduledEvent.objects.using(using).get().rule
    answer = api(
        "POST",
        "events/daily/plan",
        {
            "schedule": {"cron": "0 9 * * mon-fri", "start": "2031-03-29T00:00"},
            "until": "2031-04-02T00:00:00Z",
        },
    )

    assert answer.status_code == 200, answer.json()
    plan = answer.json()
    assert plan["added"] == []
    assert [one["local"][:10] for one in plan["removed"]] == ["2031-03-29", "2031-03-30"]
    assert [one["local"][:10] for one in plan["kept"]] == ["2031-03-31", "2031-04-01"]
    assert ScheduledEvent.objects.using(using).get().rule == before


def test_a_rule_is_previewed_and_explained(api: Api, using: str) -> None:
    rule = {
        "schedule": {"cron": "30 2 * * *", "timezone": "Europe/Berlin"},
        "after": "2031-03-29T12:00:00Z",
    }

    preview = api("POST", "rules/preview", rule | {"n": 2})
    explained = api("POST", "rules/explain", rule)

    assert preview.status_code == explained.status_code == 200, preview.json()
    assert [one["resolution"] for one in preview.json()["firings"]] == ["gap", "plain"]
    assert "clocks forward" in preview.json()["firings"][0]["clock_change"]
    assert "does not exist in Europe/Berlin" in " ".join(explained.json()["sentences"])
    assert not ScheduledEvent.objects.using(using).exists()


def test_a_recurrence_is_previewed_as_the_contract_says_it(api: Api) -> None:
    answer = api(
        "POST",
        "rules/preview",
        {
            "scheduled_time": "2031-03-30T09:00",
            "timezone_context": {"resource_timezone": "Europe/Berlin"},
            "recurrence": {"frequency": "weekly", "count": 3},
            "after": "2031-03-01T00:00:00Z",
        },
    )

    assert [one["local"][:10] for one in answer.json()["firings"]] == [
        "2031-03-30",
        "2031-04-06",
        "2031-04-13",
    ]


def test_what_an_answer_gives_as_a_schedule_can_be_sent_back(api: Api, daily: str) -> None:
    schedule = api("GET", "events/daily").json()["schedule"]

    answer = api("POST", "events/daily/reschedule", {"schedule": schedule})

    assert answer.status_code == 200, answer.json()
    assert api("GET", "events/daily").json()["schedule"] == schedule


def test_an_event_explains_itself(api: Api, daily: str) -> None:
    answer = api("GET", "events/daily/explain")
    api("DELETE", "events/daily")

    assert answer.status_code == 200
    assert answer.json()["zone"] == "Europe/Berlin"
    is_problem(api("GET", "events/daily/explain"), 409)


def test_each_change_needs_its_scope(caller: Callable[..., Api], daily: str) -> None:
    reader = caller("clinic", Scope.READ)
    scheduler = caller("clinic", Scope.SCHEDULE)

    for path in ("pause", "resume", "trigger", "skip"):
        is_problem(reader("POST", f"events/daily/{path}"), 403)
    is_problem(reader("PATCH", "events/daily", {}), 403)
    is_problem(scheduler("POST", "events/daily/skip"), 403)
    is_problem(scheduler("DELETE", "events/daily"), 403)
    is_problem(scheduler("DELETE", "events/entity/42"), 403)
    is_problem(scheduler("GET", "events/upcoming"), 403)


def test_events_are_listed_newest_first_and_page_by_page(api: Api, reminder: Any) -> None:
    ids = [
        api("POST", "events/schedule", reminder | {"entity_id": str(n)}).json()["event_id"]
        for n in range(5)
    ]
    api("DELETE", f"events/{ids[0]}")

    first = api("GET", "events?limit=3").json()
    second = api("GET", f"events?limit=3&cursor={first['next_cursor']}").json()
    cancelled = api("GET", "events?status=cancelled&type=APPOINTMENT_reminder").json()

    listed = [one["event_id"] for one in [*first["items"], *second["items"]]]
    assert sorted(listed) == sorted(ids)
    assert second["next_cursor"] is None
    assert [one["event_id"] for one in cancelled["items"]] == [ids[0]]
    assert len(api("GET", "events?entity_id=3").json()["items"]) == 1
