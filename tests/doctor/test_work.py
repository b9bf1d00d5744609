"""What the doctor says of what is due, late, dead and unhandled, and of what it is delivered to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from celery import Celery
from cryptography.fernet import Fernet

from duly import registry
from duly.celery import project
from duly.doctor import targets, work
from duly.doctor.findings import Level
from duly.errors import ConfigurationError
from duly.models import Gate, Occurrence, ScheduledEvent, Service
from duly.policy.outcome import Decision
from duly.policy.states import OccurrenceStatus
from duly.registry import handler
from duly.store import gates
from duly.store.backends import open_store
from duly.store.deaths import EVENT_TYPE
from duly.store.portable import NO_HANDLER
from duly.store.rows import Result
from duly.webhooks import new_secret
from tests import builders
from tests.builders import NOW
from tests.doctor.conftest import Look, worst
from tests.store.test_engines import engine

SECOND = timedelta(seconds=1)
DIED = Decision(OccurrenceStatus.DEAD, "died", None, "ValueError: no\nTraceback ...")


@pytest.fixture
def handled() -> Iterator[None]:
    handler("reminder")(lambda occurrence: None)
    yield
    registry.unregister("reminder")


def ended(using: str, late: timedelta = timedelta(0), *, dies: bool = False) -> Occurrence:
    """One that was due at NOW, and began so much later."""
    store, began = open_store(using), NOW + late
    builders.stored_event(using)
    (claim,) = builders.claim(store, began)
    builders.start(store, [claim], began)
    result = Result(claim.id, claim.event_id, claim.due_at, 1, DIED)
    store.finish([result if dies else builders.succeeded(claim)], now=began)
    ScheduledEvent.objects.using(using).filter(event_type=EVENT_TYPE).delete()
    return Occurrence.objects.using(using).get(id=claim.id)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_types_without_a_handler_are_told_and_the_due_ones_are_failures(
    look: Look, using: str
) -> None:
    builders.stored_event(using, NOW + timedelta(days=300), event_type="yearly")
    found = look("handlers")
    assert worst(found) is Level.WARN
    assert "to come, and nobody handles them: yearly" in found[0].found

    store = open_store(using)
    builders.stored_event(using)
    claims = builders.claim(store)
    store.park(claims, now=NOW, wake_at=later(60), reason=f"{NO_HANDLER} for 'reminder'")
    found = look("handlers")
    assert worst(found) is Level.FAIL
    assert found[0].found == "due, and nobody handles them: reminder"


def test_handlers_are_those_of_the_engines_where_there_are_any(
    look: Look, using: str, handled: None
) -> None:
    builders.stored_event(using)
    assert worst(look("handlers")) is Level.OK

    engine(using, handles=["other"])
    assert worst(look("handlers")) is Level.WARN

    engine(using, holder=builders.OTHER_HOLDER, handles=["reminder"])
    assert worst(look("handlers")) is Level.OK


def test_a_type_that_is_delivered_elsewhere_needs_no_handler_here(
    look: Look, using: str, settings: Any
) -> None:
    settings.DULY |= {"SERVICES": {"reports": {"target": "celery"}}}
    builders.stored_event(using, service="reports", event_type="yearly")

    assert worst(look("handlers")) is Level.OK


def test_what_is_overdue_is_a_warning_and_later_a_failure(look: Look, using: str) -> None:
    builders.stored_event(using)

    assert worst(look("overdue", now=later(30))) is Level.OK
    assert worst(look("overdue", now=later(90))) is Level.WARN
    assert worst(look("overdue", now=later(600))) is Level.FAIL


@pytest.mark.parametrize(
    ("late", "level"),
    [(0.1, Level.OK), (20.0, Level.WARN), (90.0, Level.FAIL)],
)
def test_lateness_is_judged_by_the_objective(
    look: Look, using: str, late: float, level: Level
) -> None:
    ended(using, timedelta(seconds=late))

    assert worst(look("lateness", now=later(100))) is level


def test_what_was_tried_again_is_as_late_as_its_first_attempt(look: Look, using: str) -> None:
    store = open_store(using)
    claim = builders.running(store)
    store.finish([builders.retried(claim, later(120))], now=later(1))
    (again,) = builders.claim_again(store, later(120))
    builders.start(store, [again], later(120))

    assert worst(look("lateness", now=later(130))) is Level.OK


def test_the_dead_are_told_with_what_most_died_of(
    look: Look, using: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert worst(look("dead letters")) is Level.OK
    ended(using, dies=True)

    found = look("dead letters")
    assert worst(found) is Level.WARN
    assert found[0].found == "1; 1 of the newest 1 of reminder: ValueError: no"

    monkeypatch.setattr(work, "MANY_DEAD", 1)
    assert worst(look("dead letters")) is Level.FAIL


def test_a_breaker_that_is_not_closed_is_told(look: Look, using: str) -> None:
    assert worst(look("breakers")) is Level.OK
    gates.steer(using, "service:crm", opens=True, now=NOW, actor="")
    assert worst(look("breakers")) is Level.FAIL

    Gate.objects.using(using).update(probe_at=later(30))
    assert worst(look("breakers")) is Level.WARN


def test_a_service_that_cannot_be_read_is_told(look: Look, using: str) -> None:
    assert worst(look("services")) is Level.OK
    row = {"created_at": NOW, "updated_at": NOW}
    Service.objects.using(using).create(name="crm", options={"target": "moon"}, **row)

    assert worst(look("services")) is Level.FAIL


@pytest.mark.parametrize(
    ("is_set", "level"), [pytest.param(False, Level.FAIL), pytest.param(True, Level.OK)]
)
def test_a_secret_that_is_not_set_is_told_and_never_shown(
    look: Look,
    using: str,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    is_set: bool,
    level: Level,
) -> None:
    options = {"target": "http", "url": "https://crm.example.com", "secret": {"env": "CRM_SECRET"}}
    settings.DULY |= {"SERVICES": {"crm": options}}
    if is_set:
        monkeypatch.setenv("CRM_SECRET", new_secret())

    assert worst(look("services")) is level


def test_a_key_of_encryption_that_is_not_there_is_told(
    look: Look, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [{"env": "NEW_KEY"}, {"env": "OLD_KEY"}]
    settings.DULY |= {"SERVICES": {"crm": {"encryption": keys}}}
    assert worst(look("services")) is Level.FAIL

    monkeypatch.setenv("NEW_KEY", Fernet.generate_key().decode())
    assert worst(look("services")) is Level.WARN

    monkeypatch.setenv("OLD_KEY", Fernet.generate_key().decode())
    assert worst(look("services")) is Level.OK


def test_a_certificate_that_cannot_be_read_is_told(look: Look, settings: Any) -> None:
    options = {"target": "http", "url": "https://crm.example.com", "secret": new_secret()}
    settings.DULY |= {"SERVICES": {"crm": options | {"ca_file": "/nowhere.pem"}}}

    assert worst(look("services")) is Level.FAIL


def test_a_backend_of_tasks_that_does_not_exist_is_told(look: Look, settings: Any) -> None:
    settings.DULY |= {"SERVICES": {"mail": {"target": "tasks", "backend": "moon"}}}

    assert worst(look("services")) is Level.FAIL


@pytest.mark.parametrize(
    ("url", "level"),
    [
        pytest.param("redis://127.0.0.1:1/0", Level.FAIL, id="away"),
        pytest.param("memory://", Level.OK, id="there"),
    ],
)
def test_a_broker_that_cannot_be_reached_is_told(
    look: Look, settings: Any, monkeypatch: pytest.MonkeyPatch, url: str, level: Level
) -> None:
    assert worst(look("broker")) is Level.OK
    settings.DULY |= {"SERVICES": {"reports": {"target": "celery", "queue": "reports"}}}
    app = Celery("doctor", broker=url, set_as_current=False)
    monkeypatch.setattr(project, "project_app", lambda: app)
    monkeypatch.setattr(targets, "BROKER_SECONDS", 0.5)

    assert worst(look("broker")) is level


def test_a_project_without_a_celery_app_is_told(
    look: Look, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> Any:
        raise ConfigurationError("this process has 0 Celery apps")

    monkeypatch.setattr(project, "project_app", none)
    settings.DULY |= {"SERVICES": {"reports": {"target": "celery"}}}

    assert worst(look("broker")) is Level.FAIL
