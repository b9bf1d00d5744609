"""Occurrences, breakers, services and sagas: what their pages show and do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

import duly
from duly.ids import new_id
from duly.models import Engine, Gate, LedgerEntry, Occurrence, Saga, Service
from tests.admin.conftest import VIEWS, LogIn
from tests.admin.pages import list_of, page_of, text_of
from tests.admin.rows import dead_occurrence, waiting_occurrence
from tests.builders import HOLDER, NOW, stored_event

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def _notes(using: str) -> list[Any]:
    return list(
        LedgerEntry.objects.using(using)
        .filter(fact="noted", actor="admin:ann")
        .values_list("data", flat=True)
    )


def test_the_page_of_an_occurrence_tells_its_attempts_and_its_trace(
    admin: Client, using: str
) -> None:
    event = stored_event(using)
    row = dead_occurrence(
        using,
        event,
        attempt=2,
        holder=HOLDER,
        handling={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"},
        error="ValueError: the last",
    )
    first = new_id(NOW)
    Engine.objects.using(using).create(
        holder=first,
        host="clinic-7",
        pid=4711,
        version="0.1.0",
        tzdata_release="2026f",
        started_at=NOW,
        beat_at=NOW,
        concurrency=1,
    )
    told: list[tuple[str, int, int, Any]] = [
        ("started", 1, 0, {"holder": str(first)}),
        ("retried", 1, 2, {"error": "ValueError: the first", "wake_at": NOW.isoformat()}),
        ("started", 2, 10, {"holder": str(HOLDER)}),
        ("died", 2, 11, {"error": "ValueError: the last"}),
    ]
    LedgerEntry.objects.using(using).bulk_create(
        LedgerEntry(
            at=NOW + timedelta(seconds=seconds),
            event_id=event.pk,
            occurrence_id=row.pk,
            fact=fact,
            attempt=attempt,
            actor="engine",
            data=data,
        )
        for fact, attempt, seconds, data in told
    )

    shown = text_of(admin.get(page_of(row)))

    assert TRACE in shown
    attempts = shown.split("Result refused")[1].split("Payload")[0]
    assert "retried clinic-7, process 4711" in attempts
    assert f"died {HOLDER}" in attempts
    assert "2.0 s retried" in attempts
    assert "ValueError: the first" in attempts
    assert "1.0 s died" in attempts
    assert "it failed, and is tried again" in shown


def test_a_dead_one_is_replayed_with_a_reason(admin: Client, using: str) -> None:
    row = dead_occurrence(using)

    refused = text_of(admin.post(page_of(row), {"verb": "replay"}))
    shown = text_of(admin.post(page_of(row), {"verb": "replay", "reason": "mended"}, follow=True))

    assert "Say why" in refused
    assert "Replay: done" in shown
    assert Occurrence.objects.using(using).get().status == "pending"
    assert _notes(using) == [{"what": "replay", "reason": "mended"}]


def test_a_waiting_one_is_cancelled_and_one_that_runs_is_too_late(
    admin: Client, using: str
) -> None:
    row = waiting_occurrence(using)
    posted = {"verb": "cancel", "reason": "not needed"}

    assert "Cancel: done" in text_of(admin.post(page_of(row), posted, follow=True))
    assert Occurrence.objects.using(using).get().status == "cancelled"
    late = waiting_occurrence(
        using,
        stored_event(using, NOW + timedelta(days=1)),
        status="running",
        attempt=1,
        started_at=NOW,
    )
    shown = text_of(admin.post(page_of(late), posted, follow=True))
    assert "too late, running since 2026-06-01 12:00:00 UTC" in shown


def test_a_breaker_is_held_open_and_closed_by_hand(admin: Client, using: str) -> None:
    posted = {"name": "service:crm", "verb": "open", "reason": "it is being moved"}

    admin.post(list_of("gate") + "steer/", posted)
    gate = Gate.objects.using(using).get()
    page = text_of(admin.get(page_of(gate)))

    assert gate.status == "open"
    assert "when it is closed by hand" in page
    assert "noted by admin:ann: open breaker service:crm (reason it is being moved)" in page
    admin.post(page_of(gate), {"verb": "close", "reason": "moved"})
    assert Gate.objects.using(using).get().status == "closed"


@pytest.mark.parametrize(
    ("posted", "said"),
    [
        ({"name": "crm", "verb": "open", "reason": "x"}, "a breaker is named"),
        ({"name": "service:crm", "verb": "open", "reason": ""}, "say why"),
        ({"name": "service:crm", "verb": "bend", "reason": "x"}, "choose open or close"),
    ],
)
def test_a_breaker_is_not_steered_by_a_request_that_makes_no_sense(
    admin: Client, using: str, posted: dict[str, str], said: str
) -> None:
    shown = text_of(admin.post(list_of("gate") + "steer/", posted, follow=True))

    assert said in shown.lower()
    assert not Gate.objects.using(using).exists()


def test_a_service_is_added_changed_and_removed(admin: Client, using: str) -> None:
    add, options = list_of("service") + "add/", '{"target": "handler", "in_flight": 4}'
    admin.post(add, {"name": "crm", "options": options, "reason": "new"})
    row = Service.objects.using(using).get()
    assert row.options == {"target": "handler", "in_flight": 4}
    assert "4 at once" in text_of(admin.get(list_of("service")))

    admin.post(page_of(row), {"options": '{"in_flight": 8}', "reason": "more"})
    assert Service.objects.using(using).get().options == {"in_flight": 8}

    admin.post(page_of(row).replace("change", "delete"), {"post": "yes"})
    assert not Service.objects.using(using).exists()
    assert [data["what"] for data in _notes(using)] == [
        "add service crm",
        "change service crm",
        "remove service crm",
    ]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("{", "the options are not JSON"),
        ('{"target": "pigeon"}', "target must be one of"),
        ('{"in_flight": 0}', "in_flight"),
        (
            '{"target": "http", "url": "https://crm.test",'
            ' "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}',
            "must be named",
        ),
        ("[]", "must be a dict"),
    ],
)
def test_a_service_that_cannot_work_is_refused_in_dulys_words(
    admin: Client, using: str, options: str, said: str
) -> None:
    posted = {"name": "crm", "options": options, "reason": "new"}

    answer = admin.post(list_of("service") + "add/", posted)

    assert answer.status_code == 200
    assert said in text_of(answer)
    assert not Service.objects.using(using).exists()


def test_a_secret_that_was_stored_by_hand_is_never_shown(
    admin: Client, log_in: LogIn, using: str
) -> None:
    row = Service.objects.using(using).create(
        name="crm",
        options={
            "target": "http",
            "url": "https://crm.test/hook",
            "secret": "whsec_TOPSECRET",
            "headers": {"Authorization": "Bearer TOPSECRET"},
        },
        created_at=NOW,
        updated_at=NOW,
    )
    viewer = log_in(*VIEWS, name="viewer")

    for client in (admin, viewer):
        for address in (list_of("service"), page_of(row)):
            answer = client.get(address)
            assert answer.status_code == 200
            assert "TOPSECRET" not in answer.content.decode()


@pytest.fixture
def trip(using: str) -> Iterator[Saga]:
    def define(saga: Any) -> None:
        saga.wait_for("consent", deadline=timedelta(days=2))
        saga.step("hotel", compensate="no_hotel")

    duly.saga("trip")(define)
    yield duly.start_saga("trip", key="v4", entity=("visit", 4))
    duly.definitions.forget("trip")


def test_a_saga_is_signalled_and_cancelled(admin: Client, using: str, trip: Saga) -> None:
    page = text_of(admin.get(page_of(trip)))
    assert "consent running" in page
    assert "hotel planned" in page

    signal = {"verb": "signal", "signal": "consent", "value": '{"by": "Ann"}', "reason": "she rang"}
    admin.post(page_of(trip), signal)
    assert duly.find_saga("v4").context == {"consent": {"by": "Ann"}}
    wrong = admin.post(page_of(trip), {**signal, "value": "{"}, follow=True)
    assert "Value must be JSON" in text_of(wrong)
    admin.post(page_of(trip), {"verb": "cancel", "reason": "no time"})

    assert duly.find_saga("v4").status == "cancelled"
    assert [data["what"] for data in _notes(using)] == ["signal consent", "cancel"]


@pytest.mark.parametrize(
    ("query", "is_found"),
    [("q=trip/v4", True), ("q=visit:4", True), ("status=completed", False), ("name=trip", True)],
)
def test_sagas_are_found(admin: Client, trip: Saga, query: str, is_found: bool) -> None:
    assert (
        "v4" in admin.get(list_of("saga", query)).content.decode().split("result_list")[1]
    ) is is_found


def test_a_row_that_is_not_there_is_404(admin: Client, using: str) -> None:
    for name in ("scheduledevent", "occurrence", "saga"):
        assert admin.get(f"{list_of(name)}{new_id(NOW)}/change/").status_code == 404
    assert admin.get(f"{list_of('gate')}type:nobody/change/").status_code == 404
    assert admin.get(f"{list_of('ledgerentry')}9/change/").status_code == 404
