"""Encrypted payloads on their way through an engine, and nowhere else to be seen."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import connections

import duly
from duly import At, NewEvent, Retry, SagaBuilder, definitions
from duly.cli.main import main
from duly.engine.options import EngineOptions
from duly.engine.targets import http
from duly.engine.worker import Worker
from duly.errors import UnreadablePayload
from duly.models import LedgerEntry, Occurrence, Saga, ScheduledEvent
from duly.models.fields import EncodedPayload
from tests.engine.conftest import Signals
from tests.targets.server import ScriptedServer, reply

Start = Callable[..., Any]
Handle = Callable[..., None]
CANARY = "canary-7f3a-ünïcode"
NUMBER = 48151623
SECRET = {"name": CANARY, "nested": [{"number": NUMBER}]}


def now() -> At:
    return At.instant(datetime.now(UTC))


def everything_stored(using: str) -> str:
    """Give every cell of every table of duly, as text."""
    cells = []
    for model in apps.get_app_config("duly").get_models():
        with connections[using].cursor() as cursor:
            cursor.execute(f"SELECT * FROM {model._meta.db_table}")
            cells += [f"{cell!s} {cell!r}" for row in cursor.fetchall() for cell in row]
    return "\n".join(cells)


def is_in(text: str) -> bool:
    quoted = json.dumps(CANARY)[1:-1]
    return any(form in text for form in (CANARY, quoted, repr(quoted)[1:-1], str(NUMBER)))


def fail(occurrence: duly.Occurrence) -> None:
    raise ValueError(f"cannot call {occurrence.payload} of {occurrence!r}")


def fail_in_a_batch(occurrences: list[duly.Occurrence]) -> None:
    raise ValueError(f"cannot call {[one.payload for one in occurrences]}")


def snooze(occurrence: duly.Occurrence) -> None:
    raise duly.Snooze(timedelta(hours=1), reason=f"not yet: {occurrence.payload}")


def test_a_handler_receives_what_was_scheduled(
    encrypt: Any, start_engine: Start, handle: Handle, signals: Signals
) -> None:
    encrypt("KEY_1")
    received: list[Any] = []
    handle("call", lambda occurrence: received.append(occurrence.payload))
    duly.schedule_event("call", now(), service="crm", payload=SECRET)
    start_engine()

    signals.wait("occurrences.recorded")

    assert received == [SECRET]


def test_a_worker_that_a_message_reaches_receives_it_as_well(encrypt: Any, handle: Handle) -> None:
    using = encrypt("KEY_1")
    received: list[Any] = []
    handle("call", lambda occurrence: received.append(occurrence.payload))
    event = duly.schedule_event("call", now(), service="crm", payload=SECRET)
    row = duly.trigger_event(event.id)
    Occurrence.objects.using(using).update(status="queued")
    from duly.conf import config

    worker = Worker(EngineOptions.of(config()))
    try:
        assert worker.process(row.id, 1) == "succeeded"
    finally:
        worker.stop()

    assert received == [SECRET]


def test_an_http_target_is_sent_it_in_plain(
    encrypt: Any, settings: Any, start_engine: Start, signals: Signals
) -> None:
    encrypt("KEY_1")
    server = ScriptedServer(reply(500, CANARY.encode()))
    crm = settings.DULY["SERVICES"]["crm"] | {
        "target": "http",
        "url": f"http://127.0.0.1:{server.port}/",
        "secret": "whsec_" + "A" * 32,
        "allow": ["127.0.0.0/8"],
        "retry": {"attempts": 1},
    }
    settings.DULY = {**settings.DULY, "SERVICES": {"crm": crm}}
    try:
        duly.schedule_event("call", now(), service="crm", payload=SECRET)
        start_engine()

        signals.wait("occurrences.recorded")

        assert json.loads(server.received[0].body)["payload"] == SECRET
        (dead,) = duly.dead_letters()
        # The target repeated it in its answer.
        assert "500" in dead.error
        assert not is_in(dead.error)
    finally:
        http._pool.close()
        server.close()


def test_without_its_key_it_is_a_dead_letter_that_says_so_and_others_are_served(
    encrypt: Any, start_engine: Start, handle: Handle, signals: Signals
) -> None:
    encrypt("KEY_1")
    received: list[Any] = []
    handle("call", lambda occurrence: received.append(occurrence.service))
    duly.schedule_event("call", now(), service="crm", payload=SECRET)
    duly.schedule_event("call", now(), service="other", payload=SECRET)
    encrypt("KEY_2")
    start_engine()

    signals.wait("occurrences.recorded", 2)

    (dead,) = duly.dead_letters()
    assert (dead.service, dead.attempt, received) == ("crm", 1, ["other"])
    assert dead.error.startswith("UnreadablePayload: the payload of event")
    assert "which this process does not have" in dead.error


def test_once_its_key_is_there_a_dead_letter_can_be_replayed(
    encrypt: Any, start_engine: Start, handle: Handle, signals: Signals
) -> None:
    encrypt("KEY_1")
    received: list[Any] = []
    handle("call", lambda occurrence: received.append(occurrence.payload))
    duly.schedule_event("call", now(), service="crm", payload=SECRET)
    encrypt("KEY_2")
    start_engine()
    signals.wait("occurrences.recorded")
    encrypt("KEY_2", "KEY_1")

    duly.replay_dead(service="crm")
    signals.wait("occurrences.recorded", 3)

    assert received == [SECRET]


def test_an_envelope_of_another_row_is_a_dead_letter_and_not_delivered(
    encrypt: Any, start_engine: Start, handle: Handle, signals: Signals
) -> None:
    using = encrypt("KEY_1")
    received: list[Any] = []
    handle("call", lambda occurrence: received.append(occurrence.payload))
    later = At.instant(datetime.now(UTC) + timedelta(days=1))
    other = duly.schedule_event("call", later, service="crm", payload=SECRET)
    mine = duly.schedule_event("call", now(), service="crm", payload=1)
    rows = ScheduledEvent.objects.using(using)
    envelope = rows.get(id=other.id).__dict__["payload"].envelope
    rows.filter(id=mine.id).update(payload=EncodedPayload(envelope))
    start_engine()

    signals.wait("occurrences.recorded")

    (dead,) = duly.dead_letters()
    assert "was encrypted for another row" in dead.error
    assert received == []


def test_a_saga_hands_its_context_on_and_keeps_it_to_itself(
    encrypt: Any, start_engine: Start, signals: Signals, define_saga: Any
) -> None:
    using = encrypt("KEY_1")
    received: list[Any] = []

    def does(occurrence: duly.Occurrence) -> dict[str, Any]:
        received.append(occurrence.payload["context"])
        return {f"from {len(received)}": CANARY}

    define_saga("trip", ("open", "crm"), does)
    saga = duly.start_saga("trip", context=SECRET)
    start_engine()

    signals.wait("occurrences.recorded", 2)

    assert received == [SECRET, SECRET | {"from 1": CANARY}]
    found = Saga.objects.using(using).get(id=saga.id)
    assert (found.status, found.context["from 2"]) == ("completed", CANARY)
    assert found.steps.get(position=0).result == {"from 1": CANARY}
    assert not is_in(everything_stored(using))


def test_a_signal_is_in_the_context_and_not_in_the_ledger(
    encrypt: Any, define_saga: Any, handle: Handle
) -> None:
    using = encrypt("KEY_1")
    definitions.forget("asks")

    @duly.saga("asks", service="crm")
    def build(saga: SagaBuilder) -> None:
        saga.wait_for("consent", deadline=timedelta(days=1))
        saga.step("call")

    handle("call", lambda occurrence: None)
    try:
        saga = duly.start_saga("asks", key="one", context={"n": 1})
        duly.signal_saga("one", "consent", SECRET)
    finally:
        definitions.forget("asks")

    assert Saga.objects.using(using).get(id=saga.id).context == {"n": 1, "consent": SECRET}
    assert not is_in(everything_stored(using))


def test_a_saga_whose_key_is_gone_fails_and_says_so(
    encrypt: Any, start_engine: Start, signals: Signals, define_saga: Any
) -> None:
    using = encrypt("KEY_1")
    define_saga("trip", ("crm",))
    duly.start_saga("trip", context=SECRET)
    encrypt("KEY_2")
    start_engine()

    signals.wait("occurrences.recorded")

    saga = Saga.objects.using(using).get()
    assert (saga.status, "which this process does not have" in saga.reason) == ("failed", True)


@pytest.mark.parametrize(
    ("function", "options"),
    [
        pytest.param(lambda occurrence: None, {}, id="success"),
        pytest.param(fail, {"retry": Retry(attempts=1)}, id="failure"),
        pytest.param(fail, {"retry": Retry(attempts=1), "atomic": True}, id="atomic"),
        pytest.param(
            fail_in_a_batch, {"retry": Retry(attempts=1), "batch": 2, "within": 0.1}, id="batch"
        ),
        pytest.param(snooze, {}, id="snooze"),
    ],
)
def test_the_canary_is_in_no_table_log_error_or_representation(
    encrypt: Any,
    start_engine: Start,
    handle: Handle,
    signals: Signals,
    caplog: pytest.LogCaptureFixture,
    function: Any,
    options: Any,
) -> None:
    using = encrypt("KEY_1")
    caplog.set_level(logging.DEBUG, "duly")
    reprs: list[str] = []
    handle("call", function, on_dead=lambda dead: reprs.append(repr(dead)), **options)
    new = [NewEvent("call", now(), service="crm", payload=SECRET) for _ in range(3)]
    events = duly.schedule_events([*new, NewEvent("call", now(), service="crm", key="k")])
    duly.schedule_event("call", now(), service="crm", key="k", payload=SECRET)
    start_engine()

    signals.wait("occurrences.recorded", 4)
    if "retry" in options:
        signals.wait("occurrences.recorded", 8)  # Their deaths are told.

    rows = [*ScheduledEvent.objects.using(using), *Occurrence.objects.using(using)]
    told = [*map(repr, rows), *map(repr, new), *map(repr, events), *reprs]
    told += [repr(row.__dict__) for row in rows]
    told += [repr(entry.data) for entry in LedgerEntry.objects.using(using)]
    assert not is_in("\n".join(told))
    assert not is_in(caplog.text)
    assert not is_in(everything_stored(using))


def test_the_command_line_shows_it_only_where_it_is_asked_to_reveal(
    encrypt: Any, capsys: pytest.CaptureFixture[str], define_saga: Any
) -> None:
    encrypt("KEY_1")
    define_saga("trip", ("crm",))
    saga = duly.start_saga("trip", context=SECRET)
    event = duly.schedule_event("call", now(), service="crm", payload=SECRET)
    commands = [
        ["upcoming", "--json"],
        ["upcoming"],
        ["explain", str(event.id)],
        ["ledger", "show", str(event.id)],
        ["saga", "show", str(saga.id)],
        ["saga", "show", str(saga.id), "--json"],
        ["saga", "list", "--json"],
        ["dead", "--json"],
    ]

    codes = [main(command) for command in commands]

    out = capsys.readouterr().out
    assert codes == [0] * len(commands)
    assert not is_in(out)
    assert '"payload": "<encrypted>"' in out
    assert main(["upcoming", "--json", "--reveal"]) == 0
    assert is_in(capsys.readouterr().out)
    assert main(["saga", "show", str(saga.id), "--reveal"]) == 0
    assert is_in(capsys.readouterr().out)


def first_letter(event_type: str, payload: Any) -> Any:
    return {"name": payload["name"][0], "type": event_type}


def redact_badly(event_type: str, payload: Any) -> Any:
    raise ValueError(payload)


def test_the_hook_says_what_is_shown_of_any_payload(
    encrypt: Any, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    encrypt("KEY_1")
    settings.DULY = {**settings.DULY, "REDACT": f"{__name__}.first_letter"}
    for service in ("crm", "open"):
        duly.schedule_event("call", now(), service=service, payload=SECRET)

    assert main(["upcoming", "--json"]) == 0

    shown = [row["payload"] for row in json.loads(capsys.readouterr().out)]
    assert shown == [{"name": "c", "type": "call"}] * 2


def test_a_hook_that_fails_shows_nothing_and_tells_no_value(
    encrypt: Any, settings: Any, capsys: pytest.CaptureFixture[str], caplog: Any
) -> None:
    encrypt("KEY_1")
    settings.DULY = {**settings.DULY, "REDACT": f"{__name__}.redact_badly"}
    duly.schedule_event("call", now(), payload=SECRET)

    assert main(["upcoming", "--json"]) == 0

    assert not is_in(capsys.readouterr().out + caplog.text)
    assert "redaction.failed" in caplog.text


def test_a_payload_that_is_not_json_is_refused_without_its_value(using: str) -> None:
    with pytest.raises(duly.DulyError) as refused:
        duly.schedule_event("call", now(), payload={"a": {CANARY}})

    assert "payload['a'] is not JSON: it is a set" in str(refused.value)
    assert not is_in(str(refused.value))


def test_an_error_about_a_payload_is_worth_no_other_attempt() -> None:
    assert Retry().gives_up_on(UnreadablePayload("no"))
