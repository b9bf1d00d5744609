"""Occurrences with their attempts, and the ledger of an event, page by page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

import duly
from duly import GiveUp, Retry, registry
from duly.models import LedgerSeal
from duly.store import seals
from duly.testing.inline import run_due
from duly.testing.manual_clock import ManualClock
from tests import builders
from tests.builders import NOW
from tests.rest.beyond.conftest import Asker, questions

MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def handlers() -> Any:
    def fail(occurrence: Any) -> None:
        raise ValueError("no such number")

    def give_up(occurrence: Any) -> None:
        raise GiveUp("never")

    retry = Retry(attempts=2, base=MINUTE, cap=MINUTE)
    duly.handler("failing", retry=retry)(fail)
    duly.handler("hopeless")(give_up)
    duly.handler("fine")(lambda occurrence: None)
    yield
    for name in ("failing", "hopeless", "fine"):
        registry.unregister(name)


def recurring(using: str, manual: ManualClock, times: int, event_type: str = "fine") -> str:
    """Store an event that fires every minute, and let it fire so often; gives its id."""
    event = builders.stored_event(using, rule=builders.every_minute(), event_type=event_type)
    for _ in range(times):
        run_due()
        manual.move(MINUTE)
    return str(event.id)


def test_an_occurrence_tells_each_of_its_attempts(
    using: str, manual: ManualClock, ask: Asker
) -> None:
    event = builders.stored_event(using, event_type="failing")
    run_due()
    manual.move(2 * MINUTE)
    run_due()

    (one,) = ask.get(f"events/{event.id}/occurrences")["items"]

    assert (one["status"], one["attempts"]) == ("dead", 2)
    assert one["error"] == "ValueError: no such number"
    assert [attempt["outcome"] for attempt in one["history"]] == ["retried", "died"]
    assert one["history"][0]["error"] == "ValueError: no such number"
    assert one["history"][0]["retry_at"] is not None
    assert one["idempotency_key"].startswith(f"{event.id}:2026-06-01T12:00")

    whole = ask.get(f"occurrences/{one['occurrence_id']}")
    assert whole["payload"] == {"n": 1}
    assert "Traceback" in whole["error"]
    assert whole["history"][0]["began_at"] == NOW.isoformat()


def test_occurrences_come_in_pages_the_latest_first(
    using: str, manual: ManualClock, ask: Asker
) -> None:
    event_id = recurring(using, manual, 5)

    first = ask.get(f"events/{event_id}/occurrences?limit=3")
    second = ask.get(f"events/{event_id}/occurrences?limit=3&cursor={first['next_cursor']}")

    dues = [one["due_at"] for one in first["items"] + second["items"]]
    assert len(first["items"]) == 3
    assert dues == sorted(dues, reverse=True)
    assert len(set(dues)) == 5
    assert second["next_cursor"] is None


def test_fifty_occurrences_cost_no_more_questions_than_one(
    using: str, manual: ManualClock, ask: Asker
) -> None:
    event_id = recurring(using, manual, 50)

    def asked(limit: int) -> int:
        with CaptureQueriesContext(connections[using]) as queries:
            found = ask.get(f"events/{event_id}/occurrences?limit={limit}")
        assert len(found["items"]) == limit
        assert all(one["history"] for one in found["items"])
        return questions(queries)

    asked(1)

    assert asked(50) == asked(1)


def test_sealed_years_are_not_read_for_the_last_occurrences(
    using: str, manual: ManualClock, ask: Asker
) -> None:
    event_id = recurring(using, manual, 2)
    manual.move(seals.SETTLE * 2)
    seal = seals.seal(using, manual.now(using))
    assert seal is not None
    manual.move(MINUTE * 2)
    run_due()

    (one,) = ask.get(f"events/{event_id}/occurrences?limit=1")["items"]

    since = seals.written_since(using, manual.now(using))
    assert since == LedgerSeal.objects.using(using).get().last
    assert [attempt["outcome"] for attempt in one["history"]] == ["succeeded"]


@pytest.mark.parametrize("path", ["events/{}/occurrences", "events/{}/ledger"])
def test_the_event_of_another_service_is_not_there(
    path: str, using: str, manual: ManualClock, other: Asker, admin: Asker
) -> None:
    event_id = recurring(using, manual, 1)

    problem = other.get(path.format(event_id), status=404)

    assert problem["title"] == "Not found"
    assert admin.get(path.format(event_id))["items"]


def test_the_occurrence_of_another_service_is_not_there(
    using: str, manual: ManualClock, ask: Asker, other: Asker
) -> None:
    event_id = recurring(using, manual, 1)
    (one,) = ask.get(f"events/{event_id}/occurrences")["items"]

    other.get(f"occurrences/{one['occurrence_id']}", status=404)
    ask.get("occurrences/17", status=404)


@pytest.mark.parametrize("order", ["oldest", "newest"])
def test_the_ledger_is_read_in_either_order(
    order: str, using: str, manual: ManualClock, ask: Asker
) -> None:
    event_id = recurring(using, manual, 4)
    ids: list[int] = []
    cursor, is_last = "", False
    while not is_last:
        more = f"&cursor={cursor}" if cursor else ""
        page = ask.get(f"events/{event_id}/ledger?order={order}&limit=5{more}")
        ids += [entry["id"] for entry in page["items"]]
        cursor, is_last = page["next_cursor"], page["next_cursor"] is None

    assert ids == sorted(set(ids), reverse=order == "newest")
    assert len(ids) == 12


def test_a_cursor_of_the_other_order_is_refused(
    using: str, manual: ManualClock, ask: Asker
) -> None:
    event_id = recurring(using, manual, 4)
    cursor = ask.get(f"events/{event_id}/ledger?limit=2")["next_cursor"]

    problem = ask.get(f"events/{event_id}/ledger?order=newest&cursor={cursor}", status=422)

    assert problem["field"] == "cursor"
