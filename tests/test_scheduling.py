"""The verbs, as a caller uses them; on each database."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connections, transaction

import duly
from duly import At, Every, NewEvent, errors
from duly.civil.instants import Instant
from duly.models import LedgerEntry, Occurrence, ScheduledEvent
from duly.registry import handler, unregister
from duly.scheduling import find_occurrence
from duly.store.backends import open_store
from tests import builders

LATER = At("2031-03-30T09:00", "Europe/Berlin")
LATEST = At("2032-03-30T09:00", "Europe/Berlin")


@pytest.fixture
def using(database: str, settings: Any) -> str:
    settings.DULY = {"DATABASE": database, "STRICT": False, "PAYLOAD_MAX_BYTES": 1000}
    return database


def events(using: str) -> Any:
    return ScheduledEvent.objects.using(using)


def test_a_scheduled_event_keeps_what_it_was_given_and_knows_when_it_is_due(using: str) -> None:
    event = duly.schedule_event(
        "Appointment_Reminder",
        LATER,
        payload={"channel": "sms"},
        entity=("appointment", 42),
        key="appointment:42:reminder",
        service="communication",
        user_timezone="Australia/Sydney",
        resource_timezone="Europe/Berlin",
        actor="ada",
    )

    stored = events(using).get()
    assert stored.id == event.id
    assert (stored.event_type, stored.service) == ("appointment_reminder", "communication")
    assert (stored.entity_type, stored.entity_id) == ("appointment", "42")
    assert stored.payload == event.payload == {"channel": "sms"}
    assert stored.next_at == datetime(2031, 3, 30, 7, 0, tzinfo=UTC)
    assert stored.next_wall_time == datetime(2031, 3, 30, 9, 0)
    assert (stored.execution_timezone, stored.next_resolution) == ("Europe/Berlin", "plain")
    entry = LedgerEntry.objects.using(using).get()
    assert (entry.fact, entry.actor, entry.event_id) == ("scheduled", "ada", event.id)


def test_a_rolled_back_transaction_leaves_nothing(using: str) -> None:
    def schedule_and_fail() -> None:
        with transaction.atomic(using):
            duly.schedule_event("remind", LATER)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        schedule_and_fail()

    assert not events(using).exists()
    assert not LedgerEntry.objects.using(using).exists()


def test_scheduling_in_bulk_is_all_or_nothing(using: str) -> None:
    good = NewEvent("remind", LATER)

    with pytest.raises(errors.InvalidPayload):
        duly.schedule_events([good, NewEvent("remind", LATER, payload=object())])

    assert not events(using).exists()
    assert len(duly.schedule_events([good] * 3)) == events(using).count() == 3


def test_the_same_key_with_the_same_content_changes_nothing(using: str) -> None:
    first = duly.schedule_event("remind", LATER, key="k", payload={"a": [1, 2]})
    again = duly.schedule_event("remind", LATER, key="k", payload={"a": [1, 2]})

    assert again.id == first.id
    assert builders.ledger_facts(using) == ["scheduled"]


def test_the_same_key_with_another_time_reschedules_that_event(using: str) -> None:
    first = duly.schedule_event("remind", LATER, key="k")
    again = duly.schedule_event("remind", LATEST, key="k", payload=1)

    stored = events(using).get()
    assert (again.id, stored.id) == (first.id, first.id)
    assert (stored.next_at, stored.payload) == (datetime(2032, 3, 30, 7, tzinfo=UTC), 1)
    assert builders.ledger_facts(using) == ["scheduled", "rescheduled"]


def test_the_same_key_of_another_service_is_another_event(using: str) -> None:
    duly.schedule_event("remind", LATER, key="k")
    duly.schedule_event("remind", LATER, key="k", service="billing")

    assert events(using).count() == 2


def test_keep_leaves_what_is_there_and_raise_refuses(using: str) -> None:
    duly.schedule_event("remind", LATER, key="k")

    kept = duly.schedule_event("remind", LATEST, key="k", on_conflict="keep")
    with pytest.raises(errors.EventConflict, match="has an event with key 'k' already"):
        duly.schedule_event("remind", LATEST, key="k", on_conflict="raise")

    assert kept.next_at == datetime(2031, 3, 30, 7, tzinfo=UTC)
    assert builders.ledger_facts(using) == ["scheduled"]


def test_a_finished_event_is_not_fired_again_by_scheduling_the_same_once_more(using: str) -> None:
    past = At("2020-01-01T09:00", "UTC")
    event = duly.schedule_event("remind", past, key="k")
    builders.claim(open_store(using), datetime.now(UTC))

    again = duly.schedule_event("remind", past, key="k")

    assert (again.id, again.status) == (event.id, "finished")


def test_an_elapsed_rule_keeps_its_anchor_however_often_it_is_scheduled(using: str) -> None:
    rule = Every(timedelta(hours=6))
    first = duly.schedule_event("sweep", rule, key="k")
    again = duly.schedule_event("sweep", rule, key="k")

    assert again.next_at == first.next_at
    assert builders.ledger_facts(using) == ["scheduled"]


def test_threads_that_schedule_the_same_key_make_one_event(using: str) -> None:
    problems: list[BaseException] = []
    ready = threading.Barrier(6)

    def schedule() -> None:
        ready.wait()
        try:
            for _ in range(5):
                duly.schedule_events(
                    [NewEvent("remind", LATER, key=key) for key in ("a", "b", "c")]
                )
        except BaseException as error:
            problems.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=schedule) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert problems == []
    assert events(using).count() == 3
    assert builders.ledger_facts(using) == ["scheduled"] * 3


def test_a_one_off_in_the_past_is_due_at_once(using: str) -> None:
    duly.schedule_event("remind", At("2020-01-01T09:00", "UTC"))

    assert len(builders.claim(open_store(using), datetime.now(UTC))) == 1


def test_cancelling_takes_an_event_out_and_again_changes_nothing(using: str) -> None:
    event = duly.schedule_event("remind", LATER, key="k")

    assert duly.cancel_event("k").status == "done"
    assert duly.cancel_event(event.id).status == "done"
    assert duly.cancel_event(str(event.id)).status == "done"

    stored = events(using).get()
    assert (stored.status, stored.next_at) == ("cancelled", None)
    assert builders.ledger_facts(using) == ["scheduled", "cancelled"]


def test_cancelling_stops_what_waits_for_its_retry(using: str) -> None:
    store = open_store(using)
    claim = builders.running(store)
    store.finish([builders.retried(claim, builders.NOW)], now=builders.NOW)

    assert duly.cancel_event(claim.event_id).status == "done"

    assert builders.only_occurrence(using).status == "cancelled"


def test_a_cancelled_key_can_be_scheduled_again(using: str) -> None:
    duly.schedule_event("remind", LATER, key="k")
    duly.cancel_event("k")

    event = duly.schedule_event("remind", LATER, key="k")

    assert (event.status, events(using).count()) == ("scheduled", 1)


def test_all_events_of_an_entity_are_cancelled_and_no_others(using: str) -> None:
    for key in ("a", "b"):
        duly.schedule_event("remind", LATER, key=key, entity=("appointment", 42))
    other = duly.schedule_event("remind", LATER, entity=("appointment", 43))

    answers = duly.cancel_entity_events("appointment", 42)

    assert [answer.status for answer in answers] == ["done", "done"]
    assert events(using).get(status="scheduled").id == other.id
    assert duly.cancel_entity_events("appointment", 42) == []


def test_rescheduling_moves_an_event_and_what_was_claimed_of_it(using: str) -> None:
    event = duly.schedule_event("remind", At("2020-01-01T09:00", "UTC"))
    builders.claim(open_store(using), datetime.now(UTC))

    assert duly.reschedule_event(event.id, LATER).status == "done"

    assert events(using).get().next_at == datetime(2031, 3, 30, 7, tzinfo=UTC)
    assert builders.only_occurrence(using).status == "cancelled"


def test_a_paused_event_keeps_its_rule_and_comes_due_again_once_resumed(using: str) -> None:
    duly.schedule_event("remind", LATER, key="k")

    duly.pause_event("k", note="clinic closed")
    paused = events(using).get()
    assert (paused.status, paused.next_at, paused.reason) == ("paused", None, "clinic closed")
    duly.resume_event("k")

    assert events(using).get().next_at == datetime(2031, 3, 30, 7, tzinfo=UTC)
    assert builders.ledger_facts(using) == ["scheduled", "paused", "resumed"]


def test_only_what_is_scheduled_can_be_paused_and_only_what_is_paused_resumed(using: str) -> None:
    duly.schedule_event("remind", LATER, key="k")

    with pytest.raises(errors.EventConflict, match="only a paused event can be resumed"):
        duly.resume_event("k")
    duly.cancel_event("k")
    with pytest.raises(errors.EventConflict, match="only a scheduled event can be paused"):
        duly.pause_event("k")


def test_triggering_fires_now_beside_the_rule(using: str) -> None:
    duly.schedule_event("remind", LATER, key="k", payload=[1])

    occurrence = duly.trigger_event("k")

    (claim,) = builders.claim_again(open_store(using), datetime.now(UTC))
    assert (claim.id, claim.payload) == (occurrence.id, "[1]")
    assert events(using).get().next_at == datetime(2031, 3, 30, 7, tzinfo=UTC)


def test_upcoming_lists_firings_soonest_first_and_recurring_ones_several_times(using: str) -> None:
    start = datetime(2031, 3, 30, tzinfo=UTC)
    hourly = Every(timedelta(hours=1), anchor=start)
    duly.schedule_event("tick", hourly, key="tick")
    duly.schedule_event("remind", LATER, key="k")

    rows = duly.upcoming_events(start=start, end=start + timedelta(hours=8))

    hours = [(row.event.event_type, row.due.at.hour) for row in rows]
    ticks = [("tick", hour) for hour in range(1, 8)]
    assert sorted(hours) == sorted([*ticks, ("remind", 7)])
    assert [row.due.at for row in rows] == sorted(row.due.at for row in rows)
    assert len(duly.upcoming_events(limit=5)) == 5


def test_upcoming_can_be_narrowed_to_an_entity_or_a_service(using: str) -> None:
    duly.schedule_event("remind", LATER, entity=("appointment", 42))
    duly.schedule_event("remind", LATER, service="billing")

    assert len(duly.upcoming_events(entity=("appointment", 42))) == 1
    assert len(duly.upcoming_events(service="billing")) == 1
    assert len(duly.upcoming_events()) == 2


def test_async_code_has_the_same_verbs(using: str) -> None:
    async def schedule_and_cancel() -> Any:
        await duly.aschedule_event("remind", LATER, key="k")
        return await duly.acancel_event("k")

    assert asyncio.run(schedule_and_cancel()).status == "done"


def test_strict_refuses_a_type_without_a_handler_and_suggests_one(
    using: str, settings: Any
) -> None:
    settings.DULY = {"DATABASE": using}
    handler("appointment_reminder")(lambda occurrence: None)
    try:
        with pytest.raises(errors.UnknownEventType, match=r"did you mean 'appointment_reminder'\?"):
            duly.schedule_event("apointment_reminder", LATER)
    finally:
        unregister("appointment_reminder")

    assert not events(using).exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"event_type": "no spaces"}, "event type 'no spaces' must be", id="type"),
        pytest.param({"event_type": "x" * 101}, "must be 1 to 100", id="type-too-long"),
        pytest.param({"key": "k" * 201}, "key must be 1 to 200 characters, got 201", id="key"),
        pytest.param({"key": ""}, "key must be 1 to 200 characters, got 0", id="empty-key"),
        pytest.param({"key": 7}, "key must be text, got 7", id="key-no-text"),
        pytest.param({"key": "a\nb"}, "key holds characters that cannot be printed", id="newline"),
        pytest.param({"service": "s" * 101}, "service must be 1 to 100", id="service"),
        pytest.param({"entity": "appointment"}, "entity must be", id="entity-no-pair"),
        pytest.param({"entity": ("a", None)}, "entity must be", id="entity-no-id"),
        pytest.param({"entity": ("a", True)}, "entity must be", id="entity-bool"),
        pytest.param({"entity": ("", 1)}, "entity_type must be 1", id="entity-no-type"),
        pytest.param({"user_timezone": "Mars/Base"}, "unknown time zone 'Mars/Base'", id="zone"),
        pytest.param(
            {"resource_timezone": "../../etc/passwd"}, "unknown time zone", id="zone-as-path"
        ),
        pytest.param({"payload": {1, 2}}, "payload is not JSON", id="payload"),
        pytest.param({"payload": "x" * 999}, "1001 bytes as JSON, more than the 1000", id="size"),
        pytest.param({"rule": "0 9 * * *"}, "rule must be At, Cron, RRule or Every", id="rule"),
        pytest.param({"on_conflict": "ignore"}, "on_conflict must be one of", id="on-conflict"),
        pytest.param({"actor": "a" * 201}, "actor must be 0 to 200", id="actor"),
    ],
)
def test_bad_input_is_a_clear_error_and_stores_nothing(
    using: str, change: dict[str, Any], message: str
) -> None:
    arguments: dict[str, Any] = {"event_type": "remind", "rule": LATER} | change

    with pytest.raises(errors.DulyError, match=message):
        duly.schedule_event(**arguments)

    assert not events(using).exists()


def test_one_key_twice_in_one_call_is_refused(using: str) -> None:
    with pytest.raises(errors.InvalidEvent, match="key 'k' of service 'default' stands twice"):
        duly.schedule_events([NewEvent("remind", LATER, key="k")] * 2)


@pytest.mark.parametrize("event", [uuid4(), "no-such-key"], ids=["id", "key"])
def test_an_event_that_is_not_there_is_said_to_be_missing(using: str, event: Any) -> None:
    with pytest.raises(errors.EventNotFound, match="no event has the id or"):
        duly.cancel_event(event)


def test_a_trigger_is_remembered_by_the_ledger(using: str) -> None:
    event = duly.schedule_event("remind", LATER)
    occurrence = duly.trigger_event(event.id, actor="ada")

    entry = LedgerEntry.objects.using(using).get(fact="triggered")
    assert (entry.occurrence_id, entry.actor) == (occurrence.id, "ada")
    assert Occurrence.objects.using(using).count() == 1


def test_upcoming_looks_past_what_is_due_before_its_start(using: str) -> None:
    early = [NewEvent("remind", At(f"2031-03-{day:02}T09:00", "UTC")) for day in range(1, 6)]
    duly.schedule_events(early)
    hourly = Every(timedelta(hours=1), anchor=datetime(2031, 1, 1, tzinfo=UTC))
    recurring = duly.schedule_event("report", hourly)
    late = duly.schedule_event("remind", At("2031-04-01T09:30", "UTC"))

    start = datetime(2031, 4, 1, 9, tzinfo=UTC)
    rows = duly.upcoming_events(start=start, limit=3)

    assert [(row.event.id, (row.due.at - Instant(start)) / timedelta(hours=1)) for row in rows] == [
        (recurring.id, 0.0),
        (late.id, 0.5),
        (recurring.id, 1.0),
    ]


def test_the_same_content_again_matches_and_other_content_is_refused(using: str) -> None:
    event = duly.schedule_event("remind", LATER, key="k", on_conflict="match")
    duly.cancel_event("k")

    again = duly.schedule_event("remind", LATER, key="k", on_conflict="match")
    with pytest.raises(errors.EventConflict, match="was used for other content"):
        duly.schedule_event("remind", LATEST, key="k", on_conflict="match")

    assert (again.id, again.status) == (event.id, "cancelled")


def test_an_occurrence_that_is_not_there_is_told_with_the_service_that_was_looked_in(
    using: str,
) -> None:
    said = r"no occurrence of service 'crm' has the id '0{8}-"
    for find in (find_occurrence, duly.replay):
        with pytest.raises(errors.EventNotFound, match=said):
            find(UUID(int=7), service="crm")
