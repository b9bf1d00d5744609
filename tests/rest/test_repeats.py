"""A call that is made again under its idempotency key is answered as before, and not done again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections, transaction

from duly import clock
from duly.ids import new_id
from duly.models import KeptAnswer, LedgerEntry, Occurrence, ScheduledEvent
from duly.policy.scopes import Scope
from duly.policy.states import EventStatus, OccurrenceStatus
from duly.store import kept_answers
from tests.rest.conftest import Api
from tests.rest.test_refusals import is_problem

DAILY = {
    "type": "report",
    "schedule": {"cron": "0 9 * * *", "timezone": "Europe/Berlin", "start": "2031-03-29T00:00"},
    "id": "daily",
}
KEY = {"Idempotency_Key": "k1"}


@pytest.fixture(autouse=True)
def daily(api: Api) -> str:
    event_id: str = api("POST", "events/schedule", DAILY).json()["event_id"]
    return event_id


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("trigger", None),
        ("skip", {}),
        ("pause", {"note": "holidays"}),
        ("move", {"to": "2031-03-29T10:00:00Z"}),
        ("reschedule", {"schedule": {"cron": "0 8 * * *"}}),
        (
            "backfill",
            {"start": "2031-03-29T00:00:00Z", "end": "2031-03-30T00:00:00Z", "limit": 1},
        ),
    ],
)
def test_a_change_is_done_once(api: Api, using: str, verb: str, body: Any) -> None:
    entries = LedgerEntry.objects.using(using)
    sent = () if body is None else (body,)
    first = api("POST", f"events/daily/{verb}", *sent, **KEY)
    done = entries.count()
    again = api("POST", f"events/daily/{verb}", *sent, **KEY)

    assert first.status_code < 300, first.json()
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert "Idempotent-Replayed" not in first
    assert again["Idempotent-Replayed"] == "true"
    assert entries.count() == done


def test_a_resumed_event_is_not_said_to_be_in_conflict(api: Api) -> None:
    api("POST", "events/daily/pause", {})
    first = api("POST", "events/daily/resume", **KEY)

    assert api("POST", "events/daily/resume").status_code == 409
    assert api("POST", "events/daily/resume", **KEY).json() == first.json()


def test_a_dead_letter_is_replayed_once(api: Api, using: str) -> None:
    id_ = api("POST", "events/daily/trigger").json()["occurrence_id"]
    rows = Occurrence.objects.using(using).filter(id=id_)
    dead = {"status": OccurrenceStatus.DEAD, "finished_at": clock.now(using), "wake_at": None}
    rows.update(**dead)
    first = api("POST", f"occurrences/{id_}/replay", **KEY)
    # It runs, and dies once more.
    rows.update(**dead)

    assert api("POST", f"occurrences/{id_}/replay", **KEY).json() == first.json()
    assert rows.get().status == OccurrenceStatus.DEAD
    many = {"Idempotency_Key": "k2"}
    assert api("POST", "dead-letters/replay", {}, **many).json()["count"] == 1
    rows.update(**dead)
    assert api("POST", "dead-letters/replay", {}, **many).json()["count"] == 1
    assert rows.get().status == OccurrenceStatus.DEAD


def test_what_came_in_between_does_not_matter(api: Api, using: str) -> None:
    """The tag that the change was meant for is gone by its own doing."""
    tag = api("GET", "events/daily")["ETag"]
    first = api("POST", "events/daily/skip", {}, If_Match=tag, **KEY)

    assert api("POST", "events/daily/skip", {}, If_Match=tag).status_code == 412
    assert api("POST", "events/daily/skip", {}, If_Match=tag, **KEY).json() == first.json()


def test_a_key_may_stand_in_quotes(api: Api, using: str) -> None:
    for key in ("k1", '"k1"'):
        api("POST", "events/daily/trigger", Idempotency_Key=key)

    assert Occurrence.objects.using(using).count() == 1


@pytest.mark.parametrize(
    ("path", "body"), [("events/daily/resume", {}), ("events/daily/pause", {"note": "other"})]
)
def test_a_key_of_another_call_is_refused(api: Api, path: str, body: Any) -> None:
    api("POST", "events/daily/pause", {}, **KEY)

    answer = api("POST", path, body, **KEY)

    members = is_problem(answer, 422)
    assert (members["field"], members["value"]) == ("Idempotency-Key", "k1")


@pytest.mark.parametrize("key", ["", '""', "x" * 201])
def test_a_key_that_is_none_is_refused(api: Api, using: str, key: str) -> None:
    answer = api("POST", "events/daily/trigger", Idempotency_Key=key)

    assert is_problem(answer, 422)["field"] == "Idempotency-Key"
    assert not Occurrence.objects.using(using).exists()


def test_services_have_keys_of_their_own(api: Api, caller: Callable[..., Api], using: str) -> None:
    other = caller("billing")
    other("POST", "events/schedule", DAILY)
    for one in (api, other):
        assert one("POST", "events/daily/trigger", **KEY).status_code == 201

    assert Occurrence.objects.using(using).count() == 2


def test_an_answer_is_not_told_to_who_may_not_ask(api: Api, caller: Callable[..., Api]) -> None:
    api("POST", "events/daily/trigger", **KEY)
    reads = caller("clinic", Scope.READ)

    assert reads("POST", "events/daily/trigger", **KEY).status_code == 403


def test_a_refusal_is_not_kept(api: Api, using: str) -> None:
    assert api("POST", "events/daily/resume", **KEY).status_code == 409
    api("POST", "events/daily/pause", {})

    assert api("POST", "events/daily/resume", **KEY).status_code == 200
    assert ScheduledEvent.objects.using(using).get().status == EventStatus.SCHEDULED


def test_the_same_call_at_once_waits_for_the_first(using: str) -> None:
    if using == "default":
        pytest.skip("SQLite has one writer")
    now = clock.now(using)
    found: list[int] = []

    def second() -> None:
        with transaction.atomic(using):
            found.append(kept_answers.take(using, "clinic", "k1", "asked", now).status)
        connections[using].close()

    thread = threading.Thread(target=second)
    with transaction.atomic(using):
        mine = kept_answers.take(using, "clinic", "k1", "asked", now)
        thread.start()
        thread.join(0.2)
        assert not found
        kept_answers.keep(using, mine, 201, "{}")
    thread.join(10)

    assert found == [201]


def test_answers_go_after_a_day(using: str) -> None:
    now = clock.now(using)
    rows = KeptAnswer.objects.using(using)
    for number, age in enumerate((timedelta(hours=25), timedelta(hours=23))):
        rows.create(id=new_id(now - age), service="clinic", key=f"old {number}", asked="")

    with transaction.atomic(using):
        kept_answers.take(using, "clinic", "k1", "asked", now)

    assert {one.key for one in rows.all()} == {"old 1", "k1"}
