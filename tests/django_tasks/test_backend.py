"""duly as a backend of django.tasks, and other backends as a place to run occurrences in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

import duly
from duly.django_tasks import DulyBackend, TasksPublisher
from duly.django_tasks.home import part
from duly.errors import BrokerUnavailable, ConfigurationError
from duly.models import Occurrence, ScheduledEvent, TaskResult
from duly.registry import Occurrence as Received
from duly.store import task_results
from duly.store.backends import open_store
from tests import builders
from tests.django_tasks import work
from tests.engine.conftest import Signals

Start = Callable[..., Any]
DULY = "duly.django_tasks.DulyBackend"
HOME = part().__name__


@pytest.fixture(autouse=True)
def backends(settings: Any) -> None:
    part("signals")  # Which hears that the setting has changed.
    settings.TASKS = {
        "default": {"BACKEND": DULY},
        "patient": {"BACKEND": DULY, "OPTIONS": {"ATTEMPTS": 3}},
        "elsewhere": {"BACKEND": f"{HOME}.backends.immediate.ImmediateBackend"},
        "nowhere": {"BACKEND": f"{HOME}.backends.dummy.DummyBackend"},
    }
    work.done.clear()


def statuses(result: Any) -> str:
    result.refresh()
    return str(result.status)


def test_a_task_is_run_by_an_engine_and_returns_its_value(
    using: str, start_engine: Start, signals: Signals
) -> None:
    result = work.add.enqueue(2, other=3)
    assert (result.status, result.backend, result.args) == ("READY", "default", [2])

    start_engine()
    signals.wait("occurrences.recorded")

    assert statuses(result) == "SUCCESSFUL"
    assert (result.return_value, result.attempts, result.errors) == (5, 1, [])
    assert result.finished_at is not None
    assert work.add.get_result(result.id).return_value == 5


def test_a_coroutine_is_a_task_as_well(using: str, start_engine: Start, signals: Signals) -> None:
    result = work.aadd.enqueue(1, 1)
    start_engine()
    signals.wait("occurrences.recorded")

    assert (statuses(result), result.return_value) == ("SUCCESSFUL", 2)


def test_a_task_that_raises_has_failed_with_its_error(
    using: str, start_engine: Start, signals: Signals
) -> None:
    result = work.fail.enqueue()
    start_engine()
    signals.wait("occurrences.recorded")

    assert statuses(result) == "FAILED"
    (error,) = result.errors
    assert error.exception_class is LookupError
    assert "nothing there" in error.traceback
    with pytest.raises(ValueError, match="failed"):
        _ = result.return_value


def test_a_backend_may_have_more_attempts(
    using: str, start_engine: Start, signals: Signals
) -> None:
    result = work.which_attempt.using(backend="patient").enqueue(most=2)
    ScheduledEvent.objects.using(using).update(
        handling={"retry": {"attempts": 3, "base": 0.01, "cap": 0.01}}
    )
    start_engine()
    signals.wait("occurrences.recorded", 2)

    assert (statuses(result), result.return_value, result.attempts) == ("SUCCESSFUL", 2, 2)
    assert [error.exception_class for error in result.errors] == [LookupError]


def test_what_cannot_be_kept_has_failed_and_is_not_done_again(
    using: str, start_engine: Start, signals: Signals
) -> None:
    result = work.return_a_set.using(backend="patient").enqueue()
    start_engine()
    signals.wait("occurrences.recorded")

    assert statuses(result) == "FAILED"
    assert work.done == ["a set"]


def test_a_task_waits_for_its_time_and_goes_by_its_priority(using: str) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    waiting = work.add.using(run_after=later, priority=100).enqueue(1, 1)
    low = work.add.using(priority=-100).enqueue(1, 1)
    some = work.add.using(priority=1).enqueue(1, 1)

    events = {str(row.id): row for row in ScheduledEvent.objects.using(using)}

    assert events[waiting.id].next_at == later
    steps = [events[one.id].handling.get("priority") for one in (waiting, low, some)]
    assert steps == [9, None, 1]


def test_a_task_is_enqueued_in_the_callers_transaction(using: str) -> None:
    with transaction.atomic(using):
        result = work.add.enqueue(1, 1)
        transaction.set_rollback(True, using)

    with pytest.raises(part("exceptions").TaskResultDoesNotExist, match=result.id):
        work.add.get_result(result.id)


def test_a_task_that_is_cancelled_has_failed(using: str) -> None:
    result = work.add.using(run_after=datetime.now(UTC) + timedelta(hours=1)).enqueue(1, 1)

    duly.cancel_event(ScheduledEvent.objects.using(using).get().id)

    assert statuses(result) == "FAILED"


def test_what_died_without_an_exception_has_its_reason(using: str) -> None:
    result = work.add.enqueue(1, 1)
    occurrence = duly.trigger_event(ScheduledEvent.objects.using(using).get().id)
    Occurrence.objects.using(using).filter(id=occurrence.id).update(
        status="dead",
        attempt=1,
        wake_at=None,
        finished_at=datetime.now(UTC),
        error="TimedOut: the handler was still running after 1 s",
    )

    assert (statuses(result), result.worker_ids) == ("FAILED", ["unknown"])
    assert result.errors[0].exception_class is TimeoutError


@pytest.mark.parametrize("path", ["tests.django_tasks.work.no_task", "os.getcwd", "no.where"])
def test_a_stored_name_that_is_no_tasks_is_never_run(
    using: str, start_engine: Start, signals: Signals, path: str
) -> None:
    work.add.enqueue(1, 1)
    payload = ScheduledEvent.objects.using(using).get().payload | {"task": path}
    ScheduledEvent.objects.using(using).update(payload=payload)
    start_engine()
    signals.wait("occurrences.recorded")

    assert Occurrence.objects.using(using).get(event_type="duly.task").status == "dead"
    assert work.done == []


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="has no option 'ATTEMPT'"):
        DulyBackend("default", {"BACKEND": DULY, "OPTIONS": {"ATTEMPT": 3}})


def test_results_go_after_their_events(using: str) -> None:
    kept = builders.stored_event(using)
    task_results.add(using, kept.id, "one", service="default")
    task_results.add(using, builders.fresh_holder(), "another", service="default")

    assert task_results.drop_orphans(using) == 1
    assert TaskResult.objects.using(using).get().event_id == kept.id


def test_occurrences_are_handed_to_another_backend(using: str, handle: Any) -> None:
    ran: list[Received] = []
    handle("reminder", ran.append)
    builders.stored_event(using, datetime.now(UTC))
    claims = builders.claim(open_store(using), datetime.now(UTC))
    publisher = TasksPublisher("elsewhere")

    publisher.publish(claims)
    publisher.publish(claims)

    assert [one.id for one in ran] == [claims[0].id]
    assert builders.only_occurrence(using).status == "succeeded"


def test_a_backend_that_refuses_is_a_broker_that_is_away(
    using: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    builders.stored_event(using, datetime.now(UTC))
    claims = builders.claim(open_store(using), datetime.now(UTC))
    publisher = TasksPublisher("nowhere")
    backend = part().task_backends["nowhere"]
    monkeypatch.setattr(type(backend), "enqueue", _refuse)

    with pytest.raises(BrokerUnavailable, match="'nowhere' took not all of 1 tasks"):
        publisher.publish(claims)


def test_duly_is_not_handed_its_own(using: str) -> None:
    with pytest.raises(ConfigurationError, match="is duly itself"):
        TasksPublisher("default")


def _refuse(*args: object) -> None:
    raise ConnectionError("no")
