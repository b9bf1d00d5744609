"""Scheduling in bulk, and one by one under concurrency; on each database."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext

import duly
from duly import At, Cron, Every, Handling, NewEvent, RRule, errors
from duly.civil.forms import rule_to_text
from duly.ids import new_ids
from duly.models import LedgerEntry, ScheduledEvent
from duly.store.copies import CHUNK
from duly.store.stored import StoredEvents
from duly.store.wakeups import CHANNEL
from tests import builders

LATER = At("2031-03-30T09:00", "Europe/Berlin")
LATEST = At("2032-03-30T09:00", "Europe/Berlin")
FIELDS = [field.attname for field in ScheduledEvent._meta.concrete_fields]


@pytest.fixture
def using(database: str, settings: Any) -> str:
    settings.DULY = {"DATABASE": database, "STRICT": False}
    return database


def events(using: str) -> Any:
    return ScheduledEvent.objects.using(using)


def ledger(using: str) -> Any:
    return LedgerEntry.objects.using(using)


def content(event: ScheduledEvent) -> dict[str, Any]:
    return {name: getattr(event, name) for name in FIELDS}


def varied() -> list[NewEvent]:
    """One event of each kind that differs in what is stored."""
    return [
        NewEvent("remind", LATER),
        NewEvent("Remind", LATER, payload={"a": [1, None, "ü"], "b": {"c": 1.5}}),
        NewEvent("remind", At("2031-03-30T02:30", "Europe/Berlin"), entity=("appointment", 42)),
        NewEvent("remind", At("2031-10-26T02:30", "Europe/Berlin", fold="second"), key="k"),
        NewEvent("remind", At("2031-05-01T09:00", "UTC", jitter=timedelta(hours=1)), key="late"),
        NewEvent("remind", Cron("0 9 * * MON-FRI", "America/New_York"), service="billing"),
        NewEvent("remind", RRule("FREQ=DAILY", "2031-01-01T09:00", "Asia/Tokyo")),
        NewEvent("remind", Every(timedelta(minutes=5), max_occurrences=3)),
        NewEvent("remind", LATER, user_timezone="Asia/Tokyo", resource_timezone="Europe/Paris"),
        NewEvent("remind", LATER, on_tzdata_change="keep_instant"),
        NewEvent("remind", LATER, handling=Handling(retry=duly.Retry(attempts=2), overlap="skip")),
        NewEvent("remind", At("2020-01-01T09:00", "UTC"), entity=("visit", uuid4())),
    ]


def test_what_is_given_back_is_what_is_stored(using: str) -> None:
    many = duly.schedule_events(varied(), actor="ada")
    (one,) = duly.schedule_events([NewEvent("remind", LATER, payload={"x": 1}, key="alone")])

    for event in [*many, one]:
        stored = events(using).get(id=event.id)
        assert content(event) == content(stored)
        assert (event._state.adding, event._state.db) == (False, using)
        entry = ledger(using).get(event_id=event.id)
        assert entry.data == {"next_at": stored.next_at.isoformat(), "rule": stored.rule}
        assert (entry.fact, entry.at, entry.occurrence_id) == ("scheduled", stored.created_at, None)
    assert set(ledger(using).values_list("actor", flat=True)) == {"ada", ""}


def test_one_event_is_stored_as_it_is_among_many(using: str) -> None:
    apart = [duly.schedule_events([new])[0] for new in varied()]
    events(using).all().delete()
    together = list(duly.schedule_events(varied()))

    ours = {"id", "created_at", "updated_at", "next_at", "next_wall_time", "rule", "entity_id"}
    for one, another in zip(apart, together, strict=True):
        assert {name: value for name, value in content(one).items() if name not in ours} == {
            name: value for name, value in content(another).items() if name not in ours
        }


def test_a_bulk_in_a_rolled_back_transaction_leaves_nothing(using: str) -> None:
    def schedule_and_fail() -> None:
        with transaction.atomic(using):
            duly.schedule_events([NewEvent("remind", LATER)] * 50)
            duly.schedule_event("remind", LATER)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        schedule_and_fail()

    assert not events(using).exists()
    assert not ledger(using).exists()


def test_a_bad_payload_among_ten_thousand_stores_none(using: str) -> None:
    new = [NewEvent("remind", LATER, payload={"n": number}) for number in range(10_000)]
    new[9_000] = NewEvent("remind", LATER, payload={"n": {1, 2}})

    with pytest.raises(errors.InvalidPayload, match=r"payload\['n'\] is not JSON"):
        duly.schedule_events(new)

    assert not events(using).exists()
    assert not ledger(using).exists()


def test_more_than_a_chunk_is_stored_in_the_order_given(using: str) -> None:
    count = CHUNK + 3
    new = [NewEvent("remind", LATER, payload=number) for number in range(count)]

    stored = duly.schedule_events(new)

    assert events(using).count() == ledger(using).count() == count
    for index in (0, CHUNK - 1, CHUNK, count - 1):
        assert events(using).get(id=stored[index].id).payload == index
    assert list(events(using).order_by("id").values_list("payload", flat=True)[:3]) == [0, 1, 2]


def test_no_events_at_all_are_no_statement(using: str) -> None:
    assert list(duly.schedule_events([])) == []
    assert list(duly.schedule_events(iter([]))) == []


def test_new_events_may_come_from_a_query_of_the_same_database(using: str) -> None:
    duly.schedule_events([NewEvent("remind", LATER, payload=number) for number in range(10)])

    def copies() -> Iterator[NewEvent]:
        for event in events(using).order_by("id"):
            events(using).count()
            yield NewEvent("remind", LATEST, payload=event.payload)

    with transaction.atomic(using):
        duly.schedule_events(copies())

    assert events(using).count() == 20


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(r"back\slash \t \n \N \. \\", id="backslashes"),
        pytest.param("'quotes\" $1 %s %(x)s {}", id="quotes-and-marks"),
        pytest.param("ä 漢字 😀 é", id="unicode"),
        pytest.param("NULL", id="null"),
        pytest.param("\\.", id="end-of-data"),
    ],
)
def test_text_is_stored_as_it_is(using: str, text: str) -> None:
    new = NewEvent("remind", LATER, key=text, entity=(text, text), service=text, payload=text)
    duly.schedule_events([new, NewEvent("remind", LATER)], actor=text)
    duly.schedule_event("remind", LATER, key=f"{text}1", entity=(text, text), payload=[text])

    stored = events(using).get(key=text)
    assert (stored.entity_type, stored.entity_id, stored.service) == (text, text, text)
    assert stored.payload == text
    assert set(ledger(using).values_list("actor", flat=True)) == {text, ""}
    alone = events(using).get(key=f"{text}1")
    assert (alone.entity_id, alone.payload) == (text, [text])


@pytest.mark.parametrize("control", ["\t", "\n", "\r", "\x01", "\x7f", "\u2028", "\ud800", "\0"])
def test_keys_and_entities_hold_nothing_that_cannot_be_printed(using: str, control: str) -> None:
    for change in ({"key": f"a{control}b"}, {"entity": ("a", f"b{control}")}):
        new: Any = NewEvent("remind", LATER, **change)
        with pytest.raises(errors.InvalidEvent, match="cannot be printed"):
            duly.schedule_events([NewEvent("remind", LATER), new])

    assert not events(using).exists()


@pytest.mark.parametrize("control", ["\t", "\n", "\r\n", "\x01", "\x7f", "\u2028", "\\N", "\\"])
def test_payloads_keep_every_character_but_nul(using: str, control: str) -> None:
    payload = {f"a{control}": [control, f"{control}b"]}
    many = duly.schedule_events([NewEvent("remind", LATER, payload=payload)] * 2)
    one = duly.schedule_event("remind", LATER, payload=payload)

    for event in [*many, one]:
        assert events(using).get(id=event.id).payload == payload


@pytest.mark.parametrize("payload", ["\0", {"a": "\0"}, {"\0": 1}, [["\0"]], {"a": {"b": "\0"}}])
def test_no_payload_holds_a_nul_or_half_a_character(using: str, payload: Any) -> None:
    with pytest.raises(errors.InvalidPayload, match="NUL"):
        duly.schedule_events([NewEvent("remind", LATER, payload=payload)] * 2)
    with pytest.raises(errors.InvalidPayload, match="not valid Unicode"):
        duly.schedule_event("remind", LATER, payload={"a": "\ud800"})


def test_the_events_of_a_bulk_are_a_sequence(using: str) -> None:
    new = [NewEvent("remind", LATER, payload=number) for number in range(5)]
    stored = duly.schedule_events(new)

    assert isinstance(stored, StoredEvents)
    assert len(stored) == 5
    assert [event.payload for event in stored] == [0, 1, 2, 3, 4]
    assert [event.payload for event in reversed(stored)] == [4, 3, 2, 1, 0]
    assert stored[-1].payload == 4
    assert [event.payload for event in stored[1:4:2]] == [1, 3]
    assert stored[0] is stored[0]
    assert stored[-5] is stored[0]
    assert stored[2] in stored
    assert stored == list(events(using).order_by("id"))
    assert stored != list(stored)[:4]
    assert stored != "abcde"
    with pytest.raises(IndexError):
        stored[5]


def test_reading_the_events_of_a_bulk_asks_the_database_nothing(using: str) -> None:
    stored = duly.schedule_events(varied())

    with CaptureQueriesContext(connections[using]) as queries:
        assert {event.status for event in stored} == {"scheduled"}
    assert len(queries) == 0


def test_what_a_caller_does_to_one_event_of_a_bulk_is_its_own(using: str) -> None:
    handling = Handling(retry=duly.Retry(attempts=2))
    one, other = duly.schedule_events([NewEvent("remind", LATER, handling=handling)] * 2)

    one.handling["retry"]["attempts"] = 9
    one.rule["tz"] = "UTC"

    assert other.handling["retry"]["attempts"] == 2
    assert other.rule["tz"] == "Europe/Berlin"


def test_equal_rules_of_a_bulk_come_due_together_and_each_event_knows_its_own(using: str) -> None:
    rules = [Every(timedelta(hours=6)) for _ in range(2)]
    rules += [Every(timedelta(hours=6), jitter=timedelta(hours=1)) for _ in range(2)]
    new = [NewEvent("sweep", rule, key=f"k{number}") for number, rule in enumerate(rules)]

    stored = list(duly.schedule_events(new))
    again = list(duly.schedule_events(new))

    assert stored[0].next_at == stored[1].next_at
    assert stored[0].rule == stored[1].rule
    assert stored[2].rule["seed"] == "default/k2"
    assert stored[3].rule["seed"] == "default/k3"
    assert [content(event) for event in again] == [content(event) for event in stored]
    assert builders.ledger_facts(using) == ["scheduled"] * 4


def test_a_bulk_meets_the_keys_that_exist_and_stores_the_others(using: str) -> None:
    duly.schedule_event("remind", LATER, key="same")
    duly.schedule_event("remind", LATER, key="moved")
    new = [
        NewEvent("remind", LATER, key="new"),
        NewEvent("remind", LATEST, key="moved"),
        NewEvent("remind", LATER),
        NewEvent("remind", LATER, key="same"),
    ]

    stored = duly.schedule_events(new)

    assert [event.key for event in stored] == ["new", "moved", None, "same"]
    assert [content(event) for event in stored] == [
        content(events(using).get(id=event.id)) for event in stored
    ]
    assert sorted(builders.ledger_facts(using)) == ["rescheduled"] + ["scheduled"] * 4
    kept = duly.schedule_events(new[:2], on_conflict="keep")
    assert [event.id for event in kept] == [event.id for event in stored[:2]]


def test_a_bulk_that_is_refused_stores_none_and_leaves_the_transaction_usable(using: str) -> None:
    duly.schedule_event("remind", LATER, key="taken")
    new = [NewEvent("remind", LATER), NewEvent("remind", LATER, key="taken")]

    with transaction.atomic(using):
        with pytest.raises(errors.EventConflict):
            duly.schedule_events(new, on_conflict="raise")
        with pytest.raises(errors.EventConflict):
            duly.schedule_event("remind", LATER, key="taken", on_conflict="raise")
        duly.schedule_event("remind", LATER, key="afterwards")

    assert set(events(using).values_list("key", flat=True)) == {"taken", "afterwards"}


@pytest.mark.only_postgres
@pytest.mark.parametrize("others", [0, 2], ids=["alone", "in-bulk"])
def test_a_key_that_another_transaction_is_storing_is_met_once_that_commits(
    using: str, others: int
) -> None:
    new = [NewEvent("remind", LATEST, key="contended")]
    new += [NewEvent("remind", LATER, key=f"other-{number}") for number in range(others)]
    found: list[ScheduledEvent] = []

    def schedule() -> None:
        try:
            found.extend(duly.schedule_events(new))
        finally:
            connections.close_all()

    other = threading.Thread(target=schedule)
    with transaction.atomic(using):
        first = duly.schedule_event("remind", LATER, key="contended")
        other.start()
        _await_a_waiting_session(using)
    other.join(timeout=30)

    assert [event.key for event in found] == [one.key for one in new]
    assert found[0].id == first.id
    stored = events(using).get(key="contended")
    assert stored.next_wall_time == LATEST.local
    assert events(using).count() == ledger(using).filter(fact="scheduled").count() == 1 + others


def _await_a_waiting_session(using: str) -> None:
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
    pause = threading.Event()
    for _ in range(1000):
        with connections[using].cursor() as cursor:
            cursor.execute(waiting)
            if cursor.fetchone()[0]:
                return
        pause.wait(0.01)
    raise AssertionError("nobody waits")


@pytest.mark.only_postgres
def test_one_new_event_is_one_statement_and_a_bulk_a_few(using: str) -> None:
    duly.schedule_event("remind", LATER)

    with CaptureQueriesContext(connections[using]) as one:
        duly.schedule_event("remind", LATER, key="k")
    with CaptureQueriesContext(connections[using]) as many:
        duly.schedule_events([NewEvent("remind", LATER)] * 100)

    assert len(one) == 1
    assert [query["sql"].split()[0] for query in many].count("COPY") == 2
    assert len(many) <= 6


@pytest.mark.only_postgres
def test_the_engines_are_woken_after_the_commit_and_only_for_what_is_due_soon(
    using: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("duly.store.wakeups._last_notified", {})

    with CaptureQueriesContext(connections[using]) as queries:
        duly.schedule_events([NewEvent("remind", LATER)] * 3)
        duly.schedule_event("remind", LATER)
    assert not [query for query in queries if CHANNEL in query["sql"]]
    with CaptureQueriesContext(connections[using]) as queries, transaction.atomic(using):
        past = At("2020-01-01T09:00", "UTC")
        duly.schedule_events([NewEvent("remind", LATER), NewEvent("remind", past)])
        duly.schedule_event("remind", past)
        assert not [query for query in queries if CHANNEL in query["sql"]]
    assert f"'{CHANNEL}', '2020-01-01T09:00:00+00:00'" in [query["sql"] for query in queries][-1]
    assert len([query for query in queries if CHANNEL in query["sql"]]) == 1


@pytest.mark.only_postgres
def test_without_autocommit_and_transaction_events_are_stored_all_the_same(using: str) -> None:
    transaction.set_autocommit(False, using)
    try:
        duly.schedule_event("remind", At("2020-01-01T09:00", "UTC"))
        duly.schedule_events([NewEvent("remind", LATER)] * 2)
        transaction.commit(using)
    finally:
        transaction.rollback(using)
        transaction.set_autocommit(True, using)

    assert events(using).count() == 3


@pytest.mark.parametrize(
    "rule",
    [
        LATER,
        At("2031-03-30T02:30:00.000001", "Europe/Berlin", gap="next_valid", fold="both"),
        At("2031-03-30T02:30", "Europe/Berlin", jitter=timedelta(minutes=5)),
        Cron("0 9 * * *", "UTC"),
        RRule("FREQ=DAILY", "2031-01-01T09:00", "Asia/Tokyo"),
    ],
    ids=lambda rule: rule.describe(),
)
def test_the_text_of_a_rule_is_its_json_form(rule: Any) -> None:
    assert json.loads(rule_to_text(rule)) == rule.to_json()


def test_identifiers_made_at_once_ascend_and_are_of_version_7() -> None:
    from uuid import UUID

    found = [UUID(text) for text in new_ids(builders.NOW, 1000)]

    assert found == sorted(set(found))
    assert {id_.version for id_ in found} == {7}
    assert {id_.variant for id_ in found} == {"specified in RFC 4122"}
    assert {id_.int >> 80 for id_ in found} == {int(builders.NOW.timestamp() * 1000)}
