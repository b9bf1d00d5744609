"""Somebody is told of failures: once for each cause, by one engine of all, and never of itself."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import connections

import duly
from duly import registry
from duly.cli.main import main
from duly.engine import guard, incidents, notify
from duly.engine.notify import look
from duly.models import LedgerEntry, Notice, Occurrence, ScheduledEvent
from duly.policy.notify import Notify, notify_from
from duly.policy.outcome import Decision
from duly.policy.retry import Retry
from duly.policy.states import OccurrenceStatus
from duly.registry import handler
from duly.store import engines, failures, gates, stamps
from duly.store.backends import open_store
from duly.store.deaths import EVENT_TYPE as DEATH
from duly.store.rows import Result
from duly.webhooks import verify
from tests import builders
from tests.builders import NOW
from tests.engine.conftest import Signals
from tests.store.test_engines import engine
from tests.targets.conftest import LOOPBACK, SECRET, Serve
from tests.targets.conftest import serve as serve
from tests.targets.server import reply

Start = Callable[..., Any]
MAIL = notify_from({"email": "ops@example.com"})
# Of deaths alone: whoever looks again only after minutes would tell of an outage as well.
DEATHS = notify_from({"email": "ops@example.com", "on": "dead"})
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def outbox(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    mail.outbox = []


@pytest.fixture
def begun(using: str) -> str:
    """A database that somebody has looked at before, with an engine that is alive."""
    alive(using, NOW)
    look(using, NOW, MAIL, "")
    assert mail.outbox == []
    return using


def alive(using: str, now: datetime) -> None:
    """Let an engine be alive."""
    engine(using, beat_at=now, started_at=NOW)


def die(using: str, at: datetime, error: str = "ValueError: no", **fields: Any) -> Occurrence:
    """Let an occurrence die at an instant."""
    store = open_store(using)
    event = builders.stored_event(using, at, **fields)
    claims = {claim.event_id: claim for claim in builders.claim(store, at)}
    claim = claims[event.id]
    builders.start(store, [claim], at)
    died = Decision(OccurrenceStatus.DEAD, "died", None, f"{error}\nTraceback ...")
    store.finish([Result(claim.id, claim.event_id, claim.due_at, 1, died)], now=at)
    ScheduledEvent.objects.using(using).filter(event_type=DEATH).delete()
    return Occurrence.objects.using(using).get(id=claim.id)


def look_at(using: str, now: datetime, to: Notify = MAIL) -> int:
    alive(using, now)
    return look(using, now, to, "")


def bodies() -> list[str]:
    return [str(message.body) for message in mail.outbox]


def facts(using: str) -> list[str]:
    rows = LedgerEntry.objects.using(using).filter(fact__startswith="notif").order_by("id")
    return list(rows.values_list("fact", flat=True))


def test_a_death_is_told_by_mail_with_its_cause_and_what_to_do(begun: str) -> None:
    die(begun, NOW + MINUTE)

    assert look_at(begun, NOW + 2 * MINUTE) == 1

    (message,) = mail.outbox
    assert message.to == ["ops@example.com"]
    assert message.subject == "[duly] 1 reminder died: ValueError: no"
    assert "at 2026-06-01 12:01:00Z" in message.body
    assert "-> duly dead --type reminder; mend it; duly replay --type reminder" in message.body
    assert message.extra_headers["Auto-Submitted"] == "auto-generated"
    assert facts(begun) == ["notified"]


def test_of_the_same_cause_nothing_more_is_told_for_an_interval_and_then_the_count(
    begun: str,
) -> None:
    die(begun, NOW + MINUTE, "KeyError: 1")
    look_at(begun, NOW + 2 * MINUTE, DEATHS)
    for minute in range(3, 23):
        die(begun, NOW + minute * MINUTE, f"KeyError: {minute}")
        look_at(begun, NOW + (minute + 1) * MINUTE, DEATHS)
    assert len(mail.outbox) == 1

    look_at(begun, NOW + 63 * MINUTE, DEATHS)

    assert len(mail.outbox) == 2
    assert mail.outbox[1].subject == "[duly] 20 reminder died: KeyError: 22"
    assert "20 times from 2026-06-01 12:03:00Z to 2026-06-01 12:22:00Z" in bodies()[1]


def test_groups_are_told_together_in_one_message(begun: str) -> None:
    die(begun, NOW + MINUTE, event_type="call")
    die(begun, NOW + MINUTE, event_type="mail")
    die(begun, NOW + MINUTE, "KeyError", event_type="mail")
    die(begun, NOW + MINUTE, event_type="mail", service="crm")
    gates.steer(begun, "service:crm", opens=True, now=NOW + MINUTE, actor="")

    look_at(begun, NOW + 2 * MINUTE)

    (message,) = mail.outbox
    assert message.subject == "[duly] 5 things: a breaker opened, died (4)"
    assert message.body.count("1 mail died") == 3
    assert "service:crm has opened" in message.body
    assert Notice.objects.using(begun).count() == 5


def test_what_happened_before_anybody_looked_is_not_told(using: str) -> None:
    die(using, NOW)

    look_at(using, NOW + MINUTE)
    look_at(using, NOW + 2 * MINUTE)

    assert mail.outbox == []


def test_in_health_nobody_is_told_of_anything(begun: str) -> None:
    store = open_store(begun)
    for minute in range(1, 5):
        builders.stored_event(begun, NOW + minute * MINUTE)
        claims = builders.claim(store, NOW + minute * MINUTE)
        builders.start(store, claims, NOW + minute * MINUTE)
        results = [builders.succeeded(claim) for claim in claims]
        store.finish(results, now=NOW + minute * MINUTE)

        look_at(begun, NOW + minute * MINUTE)

    assert mail.outbox == []
    assert not Notice.objects.using(begun).exists()
    assert facts(begun) == []


def test_of_many_that_look_at_once_one_tells(begun: str) -> None:
    die(begun, NOW + MINUTE)
    alive(begun, NOW + 2 * MINUTE)
    start = threading.Barrier(4)

    def run() -> None:
        start.wait()
        look(begun, NOW + 2 * MINUTE, MAIL, "")
        connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(mail.outbox) == 1
    assert facts(begun) == ["notified"]


def test_two_engines_send_one_mail(
    using: str,
    start_engine: Start,
    signals: Signals,
    handle: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(occurrence: Any) -> None:
        raise ValueError("no")

    monkeypatch.setattr(notify, "FIRST_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(notify, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(notify.look, "__defaults__", (timedelta(seconds=0.04),))
    monkeypatch.setattr(failures, "SETTLE", timedelta(0))
    handle("reminder", refuse, retry=Retry(attempts=1))
    look(using, datetime.now(UTC), notify_from({"email": "a@b", "on": ["dead"]}), "")
    first, second = (
        start_engine(notify=notify_from({"email": "ops@example.com", "on": ["dead"]}))
        for _ in range(2)
    )

    for number in range(3):
        duly.schedule_event("reminder", duly.At.instant(datetime.now(UTC)), key=str(number))
    signals.wait("notification.sent")
    signals.wait("occurrences.recorded", 3)
    first.stop()
    second.stop()

    assert len(mail.outbox) == 1
    assert facts(using) == ["notified"]


class Refusing(EmailBackend):
    """A mail server that is away."""

    def send_messages(self, messages: Any) -> int:
        raise ConnectionRefusedError("no mail server\nat all")


def test_a_failure_to_tell_is_in_the_ledger_and_the_log_and_is_tried_again(
    begun: str, settings: Any, signals: Signals
) -> None:
    away = f"{__name__}.Refusing"
    settings.EMAIL_BACKEND = away
    die(begun, NOW + MINUTE)

    assert look_at(begun, NOW + 2 * MINUTE, DEATHS) == 0
    assert (
        look_at(begun, NOW + 2.3 * MINUTE, DEATHS) == 0
    )  # Not yet: it waits before it tries again.

    assert facts(begun) == ["notification_failed"]
    assert "ConnectionRefusedError" in signals.wait("notification.failed")["error"]
    assert Notice.objects.using(begun).count() == 1  # It is nothing to be told of itself.
    assert look_at(begun, NOW + 3 * MINUTE, DEATHS) == 0
    assert facts(begun) == ["notification_failed"] * 2

    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert look_at(begun, NOW + 10 * MINUTE, DEATHS) == 1
    assert len(mail.outbox) == 1


def test_where_one_channel_takes_it_it_is_told(begun: str, settings: Any) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.Refusing"
    die(begun, NOW + MINUTE)

    both = notify_from({"email": "ops@example.com", "event": True})

    assert look_at(begun, NOW + 2 * MINUTE, both) == 1
    assert facts(begun) == ["notification_failed", "notified"]
    assert ScheduledEvent.objects.using(begun).filter(event_type=incidents.EVENT_TYPE).count() == 1


def test_a_webhook_is_signed_and_told_the_groups(begun: str, serve: Serve) -> None:
    server = serve(reply(204))
    webhook = {
        "url": f"http://127.0.0.1:{server.port}/hook",
        "secret": SECRET,
        "allow": LOOPBACK,
        "timeout": 10,
    }
    die(begun, NOW + MINUTE)

    assert look_at(begun, NOW + 2 * MINUTE, notify_from({"webhook": webhook})) == 1

    (received,) = server.received
    told = verify(received.body, received.headers, SECRET)
    assert told["event_type"] == "duly.notification"
    (group,) = told["payload"]["groups"]
    assert (group["kind"], group["event_type"], group["count"]) == ("dead", "reminder", 1)


def test_a_webhook_to_a_denied_address_is_refused(begun: str) -> None:
    webhook = {"url": "https://127.0.0.1/hook", "secret": SECRET}
    die(begun, NOW + MINUTE)

    assert look_at(begun, NOW + 2 * MINUTE, notify_from({"webhook": webhook})) == 0

    failed = LedgerEntry.objects.using(begun).get(fact="notification_failed")
    assert failed.data is not None
    assert "AddressRefused" in failed.data["error"]


def test_a_handler_is_told_and_its_own_death_is_not_told_of(begun: str) -> None:
    die(begun, NOW + MINUTE)
    to = notify_from({"event": True, "on": "dead"})
    handler(incidents.EVENT_TYPE)(lambda occurrence: None)
    try:
        assert look_at(begun, NOW + 2 * MINUTE, to) == 1
        event = ScheduledEvent.objects.using(begun).get(event_type=incidents.EVENT_TYPE)
        assert event.service == "duly"
        assert event.payload["groups"][0]["about"] == "ValueError: no"

        die(begun, NOW + 3 * MINUTE, event_type=incidents.EVENT_TYPE, service="duly")
        assert look_at(begun, NOW + 5 * MINUTE, to) == 0
    finally:
        registry.unregister(incidents.EVENT_TYPE)
    assert Notice.objects.using(begun).count() == 1


def test_a_budget_that_burns_is_told_once(begun: str) -> None:
    store = open_store(begun)
    for minute in range(1, 5):
        due_at = NOW + minute * MINUTE
        builders.stored_event(begun, due_at)
        claims = builders.claim(store, due_at + 2 * MINUTE)
        builders.start(store, claims, due_at + 2 * MINUTE)
        store.finish([builders.succeeded(one) for one in claims], now=due_at + 2 * MINUTE)

    for minute in range(8, 12):
        look_at(begun, NOW + minute * MINUTE)

    (message,) = mail.outbox
    assert "4 of 4 began more than a minute late within 1 h" in message.body
    assert "burns 1000.0 times too fast" in message.body


def test_an_engine_that_falls_silent_is_told_by_another(begun: str) -> None:
    engine(begun, holder=builders.OTHER_HOLDER, host="db-2", pid=77, beat_at=NOW + MINUTE)
    look_at(begun, NOW + 1.2 * MINUTE)
    assert mail.outbox == []

    look_at(begun, NOW + 2 * MINUTE)
    look_at(begun, NOW + 3 * MINUTE)

    (message,) = mail.outbox
    assert "the engine of process 77 on db-2 fell silent at 12:01:00 UTC" in message.body

    engine(begun, holder=builders.fresh_holder(), host="db-3", beat_at=NOW + 3 * MINUTE)
    look_at(begun, NOW + 4 * MINUTE)
    assert "on db-3 fell silent" in bodies()[1]


def test_one_that_stops_as_it_should_is_not_told_of(begun: str) -> None:
    engine(begun, holder=builders.OTHER_HOLDER, beat_at=NOW, stopping_at=NOW)

    look_at(begun, NOW + MINUTE)

    assert mail.outbox == []


def test_an_outage_is_told_by_the_first_that_comes_back(begun: str) -> None:
    look_at(begun, NOW + 30 * MINUTE)

    (message,) = mail.outbox
    assert "nobody fired from 2026-06-01 12:00:00 to 12:30:00 UTC" in message.body


def test_that_no_engine_is_alive_is_told_from_outside(
    using: str, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.DULY |= {"NOTIFY": {"email": "ops@example.com"}}

    assert main(["notify"]) == 0
    assert main(["notify", "--json"]) == 0

    told = capsys.readouterr().out.splitlines()
    assert told[0] == "told of 1 groups of failures by email"
    assert json.loads(told[1]) == {"groups": 0}
    assert "no engine is alive: nothing fires" in bodies()[0]


def test_old_time_zone_data_is_told(begun: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incidents, "least_age", lambda release, now: timedelta(days=100))
    look_at(begun, NOW + MINUTE)
    assert "upgrade tzdata where engines run" in bodies()[0]

    stamps.write(begun, stamps.TZDATA, {"release": "2999a"}, NOW)
    look_at(begun, NOW + 2 * MINUTE)
    assert "is older than 2999a, which events follow" in bodies()[1]


def test_only_what_is_asked_for_is_told(begun: str) -> None:
    die(begun, NOW + MINUTE)
    gates.steer(begun, "service:crm", opens=True, now=NOW + MINUTE, actor="")

    look_at(begun, NOW + 2 * MINUTE, notify_from({"email": "a@b", "on": "breaker"}))

    assert [message.subject for message in mail.outbox] == ["[duly] service:crm has opened"]


def test_a_copy_of_production_calls_nobody(begun: str) -> None:
    guard.release(begun, "production", NOW)
    die(begun, NOW + MINUTE)
    alive(begun, NOW + 2 * MINUTE)

    assert look(begun, NOW + 2 * MINUTE, MAIL, "staging") == 0
    assert look(begun, NOW + 2 * MINUTE, MAIL, "production") == 1
    assert mail.outbox[0].subject.startswith("[duly production] ")


def test_an_error_cannot_write_a_header_nor_another_line(begun: str) -> None:
    die(begun, NOW + MINUTE, "ValueError: a\rBcc: x@y\x1b[2J")

    look_at(begun, NOW + 2 * MINUTE)

    (message,) = mail.outbox
    assert message.subject == "[duly] 1 reminder died: ValueError: a Bcc: x@y [2J"
    assert "\x1b" not in message.body


def test_a_test_goes_through_every_channel(
    using: str, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.DULY |= {"NOTIFY": {"email": "ops@example.com"}}
    assert main(["notify", "--test"]) == 0
    assert capsys.readouterr().out == "email: sent\n"
    assert mail.outbox[0].subject == "[duly] a test: nothing has failed"

    settings.EMAIL_BACKEND = f"{__name__}.Refusing"
    assert main(["notify", "--test"]) == 1
    assert "ConnectionRefusedError" in capsys.readouterr().out


def test_without_anybody_to_tell_the_verb_says_so(
    using: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["notify"]) == 2
    assert "DULY['NOTIFY'] says nobody to tell" in capsys.readouterr().err


def test_an_engine_that_is_to_tell_nobody_looks_for_nothing(
    using: str, start_engine: Start, signals: Signals
) -> None:
    running = start_engine()
    signals.wait("engine.beat")
    running.stop()

    assert stamps.read(using, stamps.NOTIFIED) is None
    assert engines.lost(using, datetime.now(UTC) + timedelta(hours=1)) == []
