"""What is stored of an encrypted payload, and what can be read back from where."""

from __future__ import annotations

import sys
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.db import connections
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

import duly
from duly import At, NewEvent, services
from duly.access.keys import issue_key
from duly.encryption import MARK, Binding, Box, is_sealed, key_id_of, keyring
from duly.errors import ConfigurationError, InvalidPayload, UnreadablePayload
from duly.ids import new_id
from duly.models import LedgerEntry, Occurrence, Saga, ScheduledEvent
from duly.models.fields import EncodedPayload
from duly.payloads import decode, encode
from duly.policy.encryption import FromFile, encryption_from
from duly.policy.scopes import Scope
from duly.policy.service import service_from
from duly.store.services import put_service
from tests.builders import NOW
from tests.payloads.conftest import KEYS

SOON = At.instant(NOW)


def stored_text(using: str, table: str = "duly_scheduledevent", column: str = "payload") -> str:
    with connections[using].cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {table}")
        ((text,),) = cursor.fetchall()
    return str(text)


def schedule(**options: Any) -> ScheduledEvent:
    return duly.schedule_event(
        "call", SOON, service="crm", **{"payload": {"a": "secret"}} | options
    )


@given(st.text(min_size=1))
def test_no_text_that_is_json_is_taken_for_an_envelope(text: str) -> None:
    try:
        decode(text)
    except InvalidPayload:
        return
    assert not is_sealed(text)


@given(st.text() | st.dictionaries(st.text(max_size=5), st.text(max_size=9), max_size=3))
def test_no_payload_is_stored_as_what_is_taken_for_an_envelope(value: Any) -> None:
    with suppress(InvalidPayload):
        assert not is_sealed(encode(value, 2**20))


def test_a_payload_is_stored_as_an_envelope_and_read_as_it_was(encrypt: Any) -> None:
    using = encrypt("KEY_1")

    event = schedule()

    assert stored_text(using).startswith(MARK)
    assert "secret" not in stored_text(using)
    assert ScheduledEvent.objects.using(using).get(id=event.id).payload == {"a": "secret"}
    assert event.payload == {"a": "secret"}


def test_many_events_are_each_encrypted_however_they_are_stored(encrypt: Any) -> None:
    using = encrypt("KEY_1")

    new = [NewEvent("call", SOON, payload={"n": n}, service="crm") for n in range(20)]
    new += [NewEvent("call", SOON, payload={"n": -1}, service="crm", key="one")]
    duly.schedule_events([*new, NewEvent("call", SOON, payload={"n": 0}, service="open")])

    rows = ScheduledEvent.objects.using(using)
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT service, payload FROM duly_scheduledevent")
        sealed = [(service, is_sealed(text)) for service, text in cursor.fetchall()]
    assert sorted(sealed) == [("crm", True)] * 21 + [("open", False)]
    assert sorted(row.payload["n"] for row in rows.filter(service="crm")) == [-1, *range(20)]


def test_a_service_of_the_database_encrypts_as_one_of_the_settings_does(using: str) -> None:
    put_service(using, "crm", {"encryption": [{"env": "KEY_1"}]}, NOW)

    schedule()

    assert is_sealed(stored_text(using))


def test_a_row_that_may_ask_for_encryption_and_cannot_be_read_lets_nothing_in(using: str) -> None:
    from duly.models import Service

    put_service(using, "crm", {"encryption": [{"env": "KEY_1"}]}, NOW)
    Service.objects.using(using).update(options={"encryption": [{"environment": "KEY_1"}]})

    with pytest.raises(ConfigurationError, match="service 'crm' cannot be read"):
        schedule()

    assert not ScheduledEvent.objects.using(using).exists()


def test_the_same_content_under_a_key_changes_nothing(encrypt: Any) -> None:
    using = encrypt("KEY_1")
    schedule(key="k")
    before = stored_text(using)

    schedule(key="k")

    assert stored_text(using) == before
    assert LedgerEntry.objects.using(using).count() == 1


def test_other_content_under_a_key_is_encrypted_in_its_place(encrypt: Any) -> None:
    using = encrypt("KEY_1")
    event = schedule(key="k")

    schedule(key="k", payload={"a": "other"})

    assert is_sealed(stored_text(using))
    assert ScheduledEvent.objects.using(using).get(id=event.id).payload == {"a": "other"}


def test_content_that_nobody_can_read_any_more_is_replaced_by_what_is_given(
    encrypt: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    using = encrypt("KEY_1")
    event = schedule(key="k")
    encrypt("KEY_2")

    schedule(key="k")

    assert ScheduledEvent.objects.using(using).get(id=event.id).payload == {"a": "secret"}


def test_an_envelope_that_is_moved_to_another_row_is_refused(encrypt: Any) -> None:
    using = encrypt("KEY_1")
    mine, theirs = schedule(), schedule(payload={"a": "theirs"})
    rows = ScheduledEvent.objects.using(using)
    envelope = rows.get(id=theirs.id).__dict__["payload"].envelope
    rows.filter(id=mine.id).update(payload=EncodedPayload(envelope))

    with pytest.raises(UnreadablePayload, match="was encrypted for another row") as refused:
        _ = rows.get(id=mine.id).payload

    assert str(mine.id) in str(refused.value)
    assert "theirs" not in str(refused.value)


def test_an_envelope_that_was_changed_is_refused(encrypt: Any) -> None:
    using = encrypt("KEY_1")
    schedule()
    text = stored_text(using)
    changed = f"{text[:-8]}{'AAAA' if text[-8:-4] != 'AAAA' else 'BBBB'}{text[-4:]}"
    ScheduledEvent.objects.using(using).update(payload=EncodedPayload(changed))

    with pytest.raises(UnreadablePayload, match="was changed in the database"):
        _ = ScheduledEvent.objects.using(using).get().payload


def test_what_has_no_key_here_is_said_with_the_key_that_it_needs(
    encrypt: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    using = encrypt("KEY_1")
    schedule()
    monkeypatch.delenv("KEY_1")
    encrypt("KEY_2", "KEY_1")
    services.registry.refresh()

    with pytest.raises(UnreadablePayload, match="'KEY_1', which is not set") as refused:
        _ = ScheduledEvent.objects.using(using).get().payload

    assert KEYS["KEY_1"].decode() not in str(refused.value)


def test_an_event_that_cannot_be_read_can_still_be_listed_moved_and_cancelled(
    encrypt: Any,
) -> None:
    using = encrypt("KEY_1")
    event = schedule()
    before = stored_text(using)
    encrypt("KEY_2")

    (row,) = duly.upcoming_events(service="crm")
    duly.reschedule_event(event.id, At.instant(NOW + timedelta(days=400)))
    duly.skip_firing(event.id)
    duly.cancel_event(event.id)

    assert (row.event.id, stored_text(using)) == (event.id, before)


def test_without_its_newest_key_nothing_is_scheduled(
    encrypt: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    using = encrypt("KEY_2", "KEY_1")
    monkeypatch.delenv("KEY_2")

    with pytest.raises(ConfigurationError, match="'KEY_2', which is not set"):
        schedule()

    assert not ScheduledEvent.objects.using(using).exists()


def test_without_cryptography_the_error_says_what_to_install(
    encrypt: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    encrypt("KEY_1")
    monkeypatch.setitem(sys.modules, "cryptography.fernet", None)

    with pytest.raises(ConfigurationError, match=r"pip install 'duly\[crypto\]'"):
        schedule()


def test_a_key_may_be_in_a_file(settings: Any, using: str, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(Fernet.generate_key() + b"\n")
    options = {"encryption": [{"file": str(key)}]}
    settings.DULY = {**settings.DULY, "SERVICES": {"crm": options}}

    schedule()

    assert is_sealed(stored_text(using))


@pytest.mark.parametrize(
    ("text", "said"), [("", "not set"), ("not a key", "is no Fernet key"), ("x" * 44, "no Fernet")]
)
def test_what_is_no_key_is_refused_and_not_repeated(
    encrypt: Any, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    encrypt("KEY_1")
    monkeypatch.setenv("KEY_1", text)

    with pytest.raises(ConfigurationError, match=said) as refused:
        schedule()

    assert not text or text not in str(refused.value)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        pytest.param(["VGhpcyBpcyBhIGtleQ=="], "never given, but named", id="a-key-itself"),
        pytest.param([], "must name 1 to 16 keys", id="none"),
        pytest.param([{"env": "A"}, {"env": "A"}], "names a key twice", id="twice"),
        pytest.param([{"env": "not a name"}], "must be the name of an environment", id="name"),
        pytest.param([{"file": "relative"}], "must be the absolute path", id="relative"),
        pytest.param("KEY", "must be a list of keys", id="text"),
        pytest.param({"keys": [{"env": "A"}], "enabled": 1}, "True or False", id="enabled"),
        pytest.param({"keys": [{"env": "A"}], "on": True}, "must be a list", id="unknown"),
    ],
)
def test_an_option_that_cannot_work_is_refused_and_no_key_repeated(option: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as refused:
        service_from("crm", {"encryption": option})

    assert "VGhp" not in str(refused.value)


def test_the_limit_is_on_what_is_scheduled_and_not_on_what_is_stored(
    encrypt: Any, settings: Any
) -> None:
    encrypt("KEY_1")
    settings.DULY = {**settings.DULY, "PAYLOAD_MAX_BYTES": 100}

    assert schedule(payload="x" * 98).payload == "x" * 98
    with pytest.raises(InvalidPayload, match="101 bytes as JSON, more than the 100"):
        schedule(payload="x" * 99)


def test_an_occurrence_that_is_triggered_moved_or_made_up_for_has_the_events_envelope(
    encrypt: Any,
) -> None:
    using = encrypt("KEY_1")
    hourly = duly.Every(timedelta(hours=1), anchor=NOW - timedelta(hours=5))
    event = duly.schedule_event("call", hourly, service="crm", payload={"a": "secret"})

    duly.trigger_event(event.id)
    duly.backfill_event(event.id, NOW - timedelta(hours=3), NOW)

    rows = list(Occurrence.objects.using(using))
    assert len(rows) >= 3
    assert {row.__dict__["payload"].envelope for row in rows} == {stored_text(using)}
    assert [row.payload for row in rows] == [{"a": "secret"}] * len(rows)


def test_what_is_changed_in_a_row_and_saved_is_encrypted_again(encrypt: Any) -> None:
    using = encrypt("KEY_1")
    schedule()
    event = ScheduledEvent.objects.using(using).get()

    event.payload["a"] = "changed"
    event.save(using=using)

    assert is_sealed(stored_text(using))
    assert ScheduledEvent.objects.using(using).get().payload == {"a": "changed"}


def test_a_row_that_was_only_read_and_saved_keeps_its_envelope(encrypt: Any) -> None:
    using = encrypt("KEY_1")
    schedule()
    before = stored_text(using)
    event = ScheduledEvent.objects.using(using).get()

    assert event.payload == {"a": "secret"}
    event.save(using=using)

    assert stored_text(using) == before


def test_switched_off_what_is_new_is_plain_and_the_old_can_be_read(encrypt: Any) -> None:
    using = encrypt("KEY_1")
    old = schedule()
    encrypt("KEY_1", enabled=False)
    new = schedule(payload={"a": "plain"})

    rows = ScheduledEvent.objects.using(using)

    assert rows.get(id=old.id).payload == {"a": "secret"}
    assert rows.get(id=new.id).__dict__["payload"] == {"a": "plain"}


def test_a_saga_is_encrypted_with_the_keys_of_the_first_of_its_services_that_has_some(
    encrypt: Any, define_saga: Any
) -> None:
    using = encrypt("KEY_1")
    define_saga("trip", services=("open", "crm"))

    saga = duly.start_saga("trip", context={"name": "secret"})

    assert "secret" not in stored_text(using, "duly_saga", "context")
    assert is_sealed(stored_text(using))
    found = Saga.objects.using(using).get(id=saga.id)
    assert found.context == {"name": "secret"}
    assert ScheduledEvent.objects.using(using).get().payload["context"] == {"name": "secret"}


def test_a_key_of_sixteen_is_found_by_its_id_alone() -> None:
    encryption = encryption_from([{"env": "KEY_1"}])
    assert encryption is not None
    box, binding = Box("crm", encryption), Binding("event", new_id(NOW))
    keyring.use({"crm": encryption})

    assert keyring.open(box.seal("[1]", binding), binding) == "[1]"
    assert FromFile("/run/secrets/key").path == "/run/secrets/key"


def test_over_rest_it_is_the_services_fault_and_named_without_a_secret(
    encrypt: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    using = encrypt("KEY_1")
    settings.ROOT_URLCONF, settings.ALLOWED_HOSTS = "duly.rest.urls", ["testserver"]
    event = schedule()
    key_id = key_id_of(stored_text(using))
    monkeypatch.delenv("KEY_1")
    encrypt("KEY_2", "KEY_1")
    headers = {"X-Service-Name": "crm", "X-API-Key": issue_key("crm", "k", [Scope.READ]).secret}

    for path in (f"/api/events/{event.id}", "/api/events"):
        answer = Client().get(path, headers=headers)

        assert answer.status_code == 500
        assert answer["Content-Type"] == "application/problem+json"
        problem = answer.json()
        assert problem["type"] == "urn:duly:problem:unreadable-payload"
        assert str(event.id) in problem["detail"]
        assert key_id in problem["detail"]
        # Neither the key, nor where it would be.
        assert "KEY_1" not in answer.content.decode()
        assert KEYS["KEY_1"].decode() not in answer.content.decode()
