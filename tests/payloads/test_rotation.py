"""`duly payloads rotate`: keys change while everything goes on."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connections, transaction

import duly
from duly import At, NewEvent, services
from duly.cli.main import main
from duly.encryption import is_sealed, key_id_of, keyring
from duly.errors import ConfigurationError
from duly.models import LedgerEntry, Occurrence, Saga, ScheduledEvent, TaskResult
from duly.models.fields import EncodedPayload
from duly.store import task_results, templates
from duly.store.rotation import Rotated, rotate
from tests.builders import NOW
from tests.engine.conftest import Signals

Start = Callable[..., Any]
Handle = Callable[..., None]
LATER = At.instant(NOW + timedelta(days=3650))


def rotated(using: str, service: str | None = None, *, dry_run: bool = False) -> Rotated:
    services.registry.refresh()
    return rotate(using, service, 7, NOW, "test", dry_run=dry_run)


def some_events(count: int = 20, service: str = "crm") -> None:
    duly.schedule_events(
        [NewEvent("call", LATER, payload={"n": n}, service=service) for n in range(count)]
    )


def stored(using: str, table: str = "duly_scheduledevent", column: str = "payload") -> list[str]:
    with connections[using].cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {table}")
        return [str(text).strip('"') for (text,) in cursor.fetchall()]


def keys_in_use(using: str, table: str = "duly_scheduledevent") -> set[str]:
    return {key_id_of(text) if is_sealed(text) else "" for text in stored(using, table)}


def newest() -> str:
    return keyring.boxes["crm"].key_id


@pytest.mark.also_partitioned
def test_every_payload_is_encrypted_with_the_newest_key(encrypt: Any) -> None:
    using = encrypt("KEY_1")
    some_events()
    for event in ScheduledEvent.objects.using(using)[:3]:
        duly.trigger_event(event.id)
    encrypt("KEY_2", "KEY_1")

    done = rotated(using)

    assert (done.encrypted, done.decrypted, done.left, done.unreadable) == (23, 0, 0, {})
    assert keys_in_use(using) == keys_in_use(using, "duly_occurrence") == {newest()}
    encrypt("KEY_2")
    assert [row.payload["n"] for row in ScheduledEvent.objects.using(using).order_by("id")] == [
        *range(20)
    ]


def test_the_ledger_is_told_what_was_done_with_which_key_and_by_whom(encrypt: Any) -> None:
    using = encrypt("KEY_1")
    some_events(3)
    encrypt("KEY_2", "KEY_1")
    rotated(using)
    rotated(using)

    entry = LedgerEntry.objects.using(using).get(fact="payloads_rotated")
    assert (entry.actor, entry.data) == (
        "test",
        {"encrypted": 3, "decrypted": 0, "keys": {"crm": newest()}},
    )


def test_what_is_done_is_not_done_again(encrypt: Any) -> None:
    using = encrypt("KEY_1")
    some_events()
    encrypt("KEY_2", "KEY_1")
    rotated(using)
    before = stored(using)

    assert rotated(using).count == 0
    assert stored(using) == before


def test_a_rotation_that_breaks_off_goes_on_where_it_was(
    encrypt: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    using = encrypt("KEY_1")
    some_events()
    encrypt("KEY_2", "KEY_1")
    from duly.store import rotation

    real = rotation._write
    batches: list[int] = []

    def break_off(*arguments: Any) -> None:
        if len(batches) == 2:
            raise KeyboardInterrupt
        batches.append(1)
        real(*arguments)

    monkeypatch.setattr(rotation, "_write", break_off)
    with pytest.raises(KeyboardInterrupt):
        rotated(using)
    monkeypatch.setattr(rotation, "_write", real)

    assert rotated(using).encrypted == 20 - 2 * 7
    assert keys_in_use(using) == {newest()}


def test_what_was_stored_before_is_encrypted_and_other_services_stay_plain(encrypt: Any) -> None:
    using = encrypt()
    some_events()
    some_events(5, "open")
    encrypt("KEY_1")

    assert rotated(using).encrypted == 20

    with connections[using].cursor() as cursor:
        cursor.execute("SELECT service, payload FROM duly_scheduledevent")
        assert {(name, is_sealed(text)) for name, text in cursor.fetchall()} == {
            ("crm", True),
            ("open", False),
        }


def test_where_it_was_switched_off_payloads_are_decrypted(encrypt: Any) -> None:
    using = encrypt("KEY_1")
    some_events()
    encrypt("KEY_1", enabled=False)

    assert rotated(using).decrypted == 20
    assert keys_in_use(using) == {""}


def test_one_service_is_rotated_and_the_others_are_left(encrypt: Any) -> None:
    using = encrypt("KEY_1", services=("crm", "hr"))
    some_events(4)
    some_events(3, "hr")
    encrypt("KEY_2", "KEY_1", services=("crm", "hr"))

    assert rotated(using, "hr").encrypted == 3
    assert len(keys_in_use(using)) == 2


def test_a_dry_run_counts_and_writes_nothing(
    encrypt: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    using = encrypt("KEY_1")
    some_events()
    encrypt("KEY_2", "KEY_1")
    before = stored(using)

    assert main(["payloads", "rotate", "--dry-run"]) == 0

    assert "20 payloads would be encrypted with the newest key, 0 would be" in (
        capsys.readouterr().out
    )
    assert stored(using) == before


def test_what_cannot_be_read_is_named_and_left_as_it_is(
    encrypt: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    using = encrypt("KEY_1")
    some_events(2)
    one, other = ScheduledEvent.objects.using(using).order_by("id")
    envelope = other.__dict__["payload"].envelope
    rows = ScheduledEvent.objects.using(using).filter(id=one.id)
    rows.update(payload=EncodedPayload(envelope))
    encrypt("KEY_2", "KEY_1")

    code = main(["payloads", "rotate", "--json"])

    said = json.loads(capsys.readouterr().out)
    assert (code, said["encrypted"]) == (1, 1)
    assert list(said["unreadable"]) == [f"event:{one.id.hex}"]
    assert envelope in stored(using)


def test_without_the_newest_key_nothing_is_written(
    encrypt: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    using = encrypt("KEY_1")
    some_events(2)
    encrypt("KEY_2", "KEY_1")
    monkeypatch.delenv("KEY_2")

    with pytest.raises(ConfigurationError, match="'KEY_2', which is not set"):
        rotated(using)


@pytest.mark.only_postgres
def test_what_others_hold_locked_is_passed_over_and_told(encrypt: Any) -> None:
    using = encrypt("KEY_1")
    some_events(3)
    encrypt("KEY_2", "KEY_1")
    locked, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic(using):
            list(ScheduledEvent.objects.using(using).select_for_update()[:1])
            locked.set()
            done.wait(20)
        connections.close_all()

    other = threading.Thread(target=hold)
    other.start()
    locked.wait(20)
    try:
        found = rotated(using)
    finally:
        done.set()
        other.join()

    assert (found.encrypted, found.left) == (2, 1)
    assert rotated(using).encrypted == 1


def test_sagas_their_events_and_results_of_tasks_are_rotated_too(
    encrypt: Any, define_saga: Any, start_engine: Start, signals: Signals
) -> None:
    using = encrypt()
    define_saga("trip", ("open", "crm"), lambda occurrence: {occurrence.event_type: "secret"})
    saga = duly.start_saga("trip", context={"a": "secret"})
    event = duly.schedule_event("call", LATER, service="crm", payload=1)
    task_results.add(using, event.id, "worker", service="crm", return_text='"secret"')
    start_engine()
    signals.wait("occurrences.recorded", 2)
    encrypt("KEY_1")

    done = rotated(using)

    # 1 event, and of the saga 2 with their 2 occurrences, 1 context and 2 results; 1 task.
    assert (done.encrypted, done.left) == (9, 0)
    assert "secret" not in str(stored(using, "duly_saga", "context"))
    assert "secret" not in str(stored(using, "duly_sagastep", "result"))
    assert "secret" not in str(stored(using, "duly_occurrence"))
    assert "secret" not in str(stored(using, "duly_taskresult", "return_value"))
    assert TaskResult.objects.using(using).get().return_value == "secret"
    assert Saga.objects.using(using).get(id=saga.id).context["a"] == "secret"
    assert rotated(using).count == 0
    encrypt("KEY_1", enabled=False)
    assert rotated(using).decrypted == 9
    assert "secret" in str(stored(using, "duly_saga", "context"))


def test_under_load_nothing_fails_nothing_is_lost_and_all_have_the_new_key(
    encrypt: Any, start_engine: Start, handle: Handle, signals: Signals
) -> None:
    using = encrypt("KEY_1")
    received: list[int] = []
    handle("call", lambda occurrence: received.append(occurrence.payload["n"]))
    some_events(300, "crm")
    start_engine()
    total = 400
    failures: list[BaseException] = []

    def schedule() -> None:
        try:
            for n in range(total):
                at = At.instant(datetime.now(UTC) + timedelta(seconds=0.05))
                duly.schedule_event("call", at, service="crm", payload={"n": n}, key=f"k{n}")
        except BaseException as error:
            failures.append(error)
        finally:
            connections.close_all()

    caller = threading.Thread(target=schedule)
    caller.start()
    signals.wait("occurrences.recorded", 20)
    encrypt("KEY_2", "KEY_1")
    rotated_under_load = 0
    while caller.is_alive():
        found = rotated(using)
        assert found.unreadable == {}
        rotated_under_load += found.encrypted
    caller.join()
    signals.wait("occurrences.recorded", total)
    services.registry.refresh()
    last = rotated(using)

    assert rotated_under_load > 300
    assert (failures, last.left, last.unreadable) == ([], 0, {})
    assert sorted(received) == list(range(total))
    assert not Occurrence.objects.using(using).filter(status="dead").exists()
    assert keys_in_use(using) == keys_in_use(using, "duly_occurrence") == {newest()}


def test_the_payloads_of_templates_are_encrypted_and_rotated_as_well(encrypt: Any) -> None:
    using = encrypt("KEY_1")
    services.registry.refresh()
    content = {"event_type": "call", "schedule": {}, "payload": {"secret": 7}}
    templates.create(using, "crm", "one", content, NOW)
    before = keys_in_use(using, "duly_eventtemplate")
    encrypt("KEY_2", "KEY_1")

    done = rotated(using)

    assert done.encrypted == 1
    assert keys_in_use(using, "duly_eventtemplate") == {newest()} != before
    encrypt("KEY_2")
    found = templates.find(using, "crm", "one")
    assert found is not None
    assert found.payload == {"secret": 7}
