"""Sagas and breakers over REST: each service has its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

import duly
from duly import SagaBuilder, definitions
from duly.models import LedgerEntry
from tests.rest.beyond.conftest import Asker, Become, questions


@pytest.fixture(autouse=True)
def trip() -> Iterator[None]:
    def steps(saga: SagaBuilder) -> None:
        saga.step("book", compensate="cancel_booking")
        saga.wait_for("approved", deadline=60)

    duly.saga("trip")(steps)
    yield
    definitions.forget("trip")


def test_a_saga_is_started_once_for_its_key(ask: Asker) -> None:
    new = {"name": "trip", "key": "t1", "context": {"to": "Rome"}, "entity_id": "42"}

    saga = ask.post("sagas", new, status=201)
    again = ask.post("sagas", new, status=200)

    assert saga["saga_id"] == again["saga_id"]
    assert (saga["status"], saga["context"], saga["entity_type"]) == (
        "running",
        {"to": "Rome"},
        "entity",
    )
    assert [step["status"] for step in saga["steps"]] == ["running", "planned"]


def test_who_did_it_stands_in_the_ledger(using: str, ask: Asker) -> None:
    ask.post("sagas", {"name": "trip", "key": "t1"}, status=201)
    ask.post("sagas/t1/signals", {"signal": "approved", "value": 7})
    ask.post("sagas/t1/cancel", {"reason": "rain"})

    entries = LedgerEntry.objects.using(using).filter(fact__startswith="saga_")
    assert {entry.actor.partition("/")[0] for entry in entries} == {"key:default"}


def test_a_signal_goes_into_the_context(ask: Asker) -> None:
    ask.post("sagas", {"name": "trip", "key": "t1"}, status=201)

    saga = ask.post("sagas/t1/signals", {"signal": "approved", "value": {"by": "Anna"}})

    assert saga["context"]["approved"] == {"by": "Anna"}
    assert ask.post("sagas/t1/signals", {"signal": "unheard"}, status=422)


def test_a_cancelled_saga_goes_back(ask: Asker) -> None:
    ask.post("sagas", {"name": "trip", "key": "t1"}, status=201)

    saga = ask.post("sagas/t1/cancel", {"reason": "rain"})

    assert saga["status"] in ("compensating", "cancelled")
    assert saga["reason"] == "rain"


def test_the_sagas_of_another_service_are_not_there(ask: Asker, other: Asker, admin: Asker) -> None:
    saga = ask.post("sagas", {"name": "trip", "key": "t1"}, status=201)
    id_ = saga["saga_id"]

    for path in (f"sagas/{id_}", "sagas/t1"):
        other.get(path, status=404)
        other.post(f"{path}/signals", {"signal": "approved"}, status=404)
        other.post(f"{path}/cancel", {}, status=404)
        assert admin.get(path)["saga_id"] == id_
    assert other.get("sagas")["items"] == []
    assert len(admin.get("sagas")["items"]) == len(ask.get("sagas")["items"]) == 1
    # What is defined for another is not told from what is not defined.
    problem = other.post("sagas", {"name": "trip"}, status=422)
    assert "did you mean" not in problem["detail"]


def test_sagas_come_in_pages_at_the_same_cost(using: str, ask: Asker) -> None:
    for number in range(12):
        ask.post("sagas", {"name": "trip", "key": f"t{number}"}, status=201)

    def asked(path: str, count: int) -> Any:
        with CaptureQueriesContext(connections[using]) as queries:
            page = ask.get(path)
        assert len(page["items"]) == count
        return page["next_cursor"], questions(queries)

    asked("sagas?limit=1", 1)
    cursor, cost = asked("sagas?limit=1", 1)
    _, cost_of_more = asked(f"sagas?limit=20&cursor={cursor}", 11)

    assert cost == cost_of_more
    assert len(ask.get("sagas?status=running&name=trip")["items"]) == 12
    assert ask.get("sagas?status=failed")["items"] == []


def test_a_service_steers_its_own_breaker_and_no_other(ask: Asker, admin: Asker) -> None:
    opened = ask.post("breakers/service:default/open", {})
    assert (opened["status"], opened["probe_at"]) == ("open", None)
    assert [one["name"] for one in ask.get("breakers")["items"]] == ["service:default"]

    for name in ("service:other", "type:reminder", "service:", "key:x"):
        ask.post(f"breakers/{name}/open", {}, status=404)

    admin.post("breakers/type:reminder/open", {})
    names = [one["name"] for one in admin.get("breakers")["items"]]
    assert names == ["service:default", "type:reminder"]
    assert admin.post("breakers/service:default/close", {})["status"] == "closed"
    assert [one["name"] for one in ask.get("breakers")["items"]] == ["service:default"]


def test_breakers_come_in_pages(admin: Asker) -> None:
    for name in "abc":
        admin.post(f"breakers/type:{name}/open", {})

    first = admin.get("breakers?limit=2")
    second = admin.get(f"breakers?limit=2&cursor={first['next_cursor']}")

    names = [one["name"] for one in first["items"] + second["items"]]
    assert names == ["type:a", "type:b", "type:c"]


def test_steering_needs_a_scope(become: Become) -> None:
    become("default", "read").post("breakers/service:default/open", {}, status=403)
