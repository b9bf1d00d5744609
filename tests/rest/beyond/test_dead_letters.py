"""Dead letters: found, grouped by what they died of, and replayed."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

import duly
from duly import GiveUp, registry
from duly.models import LedgerEntry, Occurrence
from duly.store import dead
from duly.testing.inline import run_due
from tests import builders
from tests.rest.beyond.conftest import Asker, Become, questions


@pytest.fixture(autouse=True)
def handlers() -> Any:
    def die(occurrence: Any) -> None:
        raise GiveUp(occurrence.payload["why"])

    for name in ("dying", "failing"):
        duly.handler(name)(die)
    yield
    for name in ("dying", "failing"):
        registry.unregister(name)


def died(using: str, *whys: str, **fields: Any) -> None:
    for why in whys:
        builders.stored_event(using, event_type="dying", payload={"why": why}, **fields)
    run_due()


def test_dead_letters_are_listed_for_their_service_only(
    using: str, ask: Asker, other: Asker, admin: Asker
) -> None:
    died(using, "no", entity_type="appointment", entity_id="42")
    died(using, "no", service="other")

    (one,) = ask.get("dead-letters")["items"]

    assert (one["service_id"], one["type"], one["error"]) == ("default", "dying", "GiveUp: no")
    assert (one["entity_type"], one["entity_id"]) == ("appointment", "42")
    assert [each["service_id"] for each in other.get("dead-letters")["items"]] == ["other"]
    assert len(admin.get("dead-letters")["items"]) == 2
    assert len(admin.get("dead-letters?service_id=other")["items"]) == 1
    ask.get("dead-letters?service_id=other", status=403)


def test_dead_letters_come_in_pages_and_none_is_given_twice(using: str, ask: Asker) -> None:
    died(using, *"abcde")

    seen: list[str] = []
    path = "dead-letters?limit=2"
    while path:
        page = ask.get(path)
        seen += [one["occurrence_id"] for one in page["items"]]
        path = f"dead-letters?limit=2&cursor={page['next_cursor']}" if page["next_cursor"] else ""

    assert len(seen) == len(set(seen)) == 5


def test_thirty_dead_letters_cost_no_more_questions_than_one(using: str, ask: Asker) -> None:
    died(using, *("no" for _ in range(30)))

    def asked(limit: int) -> int:
        with CaptureQueriesContext(connections[using]) as queries:
            assert len(ask.get(f"dead-letters?limit={limit}")["items"]) == limit
        return questions(queries)

    asked(1)

    assert asked(30) == asked(1)


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("type=dying", 2),
        ("type=DYING", 2),
        ("type=other", 0),
        ("error=first", 1),
        ("entity_id=42", 1),
        ("entity_type=appointment&entity_id=42", 1),
        ("entity_type=patient&entity_id=42", 0),
        ("start_time=2026-06-01T12:00Z", 2),
        ("end_time=2026-06-01T12:00Z", 0),
    ],
)
def test_dead_letters_are_narrowed(query: str, count: int, using: str, ask: Asker) -> None:
    died(using, "the first")
    died(using, "the second", entity_type="appointment", entity_id="42")

    assert len(ask.get(f"dead-letters?{query}")["items"]) == count


def test_dead_letters_are_grouped_by_what_they_died_of(
    using: str, ask: Asker, other: Asker
) -> None:
    died(using, "no answer", "no answer", "no such number")

    found = ask.get("dead-letters/groups")

    assert [(one["error"], one["count"]) for one in found["groups"]] == [
        ("GiveUp: no answer", 2),
        ("GiveUp: no such number", 1),
    ]
    assert (found["looked_at"], found["complete"]) == (3, True)
    assert other.get("dead-letters/groups")["groups"] == []


def test_groups_say_when_not_all_were_looked_at(
    using: str, ask: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead, "MOST_GROUPED", 2)
    died(using, *"abc")

    found = ask.get("dead-letters/groups")

    assert (found["looked_at"], found["complete"]) == (2, False)


def test_one_is_replayed_by_whom_the_ledger_says(using: str, ask: Asker, other: Asker) -> None:
    died(using, "no")
    (one,) = ask.get("dead-letters")["items"]
    path = f"occurrences/{one['occurrence_id']}/replay"

    other.post(path, {}, status=404)
    replayed = ask.post(path, {})

    assert replayed["status"] == "pending"
    entry = LedgerEntry.objects.using(using).get(fact="replayed")
    assert entry.actor.startswith("key:default/")
    ask.post(path, {}, status=409)


def test_a_dry_run_says_how_many_and_does_nothing(using: str, ask: Asker) -> None:
    died(using, *"abc")

    answer = ask.post("dead-letters/replay", {"type": "dying", "dry_run": True, "limit": 2})

    assert answer == {"dry_run": True, "count": 2, "occurrence_ids": [], "more": True}
    assert Occurrence.objects.using(using).filter(status="dead").count() == 3


def test_many_are_replayed_within_the_service_only(using: str, ask: Asker) -> None:
    died(using, "a", "b")
    died(using, "a", service="other")

    answer = ask.post("dead-letters/replay", {})

    assert (answer["count"], len(answer["occurrence_ids"]), answer["more"]) == (2, 2, False)
    (left,) = Occurrence.objects.using(using).filter(status="dead")
    assert left.service == "other"


def test_replaying_needs_its_scope(using: str, become: Become) -> None:
    reader = become("default", "read", "schedule")

    problem = reader.post("dead-letters/replay", {}, status=403)

    assert "replay" in problem["detail"]


def test_a_field_that_is_not_known_is_named(ask: Asker) -> None:
    problem = ask.post("dead-letters/replay", {"limt": 3}, status=422)

    assert problem["field"] == "limt"
