"""What a message says: an occurrence and an attempt, how long it may take, and nothing else."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from celery import Celery, _state

from duly.celery import CeleryPublisher, project
from duly.errors import BrokerUnavailable, ConfigurationError
from duly.store.rows import Claim
from tests.builders import NOW

ID = UUID("01a20f3e-de9d-7752-8fea-db7e160dea16")
CLAIM = Claim(
    ID,
    ID,
    "call",
    "default",
    None,
    "",
    "",
    '"secret"',
    NOW,
    NOW,
    "UTC",
    "",
    "",
    2,
    0,
    {},
    None,
    NOW,
)


@pytest.fixture
def using(settings: Any, database: str) -> str:
    settings.DULY = {"DATABASE": database, "STRICT": False}
    return database


@pytest.fixture
def publish(using: str) -> Callable[..., Any]:
    """Publish a claim to a broker in memory; gives the message that arrived."""
    app = Celery("publishing", broker="memory://", set_as_current=False)

    def publish(claim: Claim, **options: Any) -> Any:
        publisher = CeleryPublisher("calls", app=app, **options)
        publisher.publish([claim])
        with app.connection_for_read() as connection:
            message = connection.SimpleQueue("calls", no_ack=True).get(timeout=1)
        publisher.close()
        return message

    return publish


def test_a_message_names_an_occurrence_and_an_attempt(publish: Callable[..., Any]) -> None:
    message = publish(CLAIM)

    args, kwargs, embedded = message.decode()
    assert (args, kwargs) == ([str(ID), 3], {})
    assert set(embedded.values()) == {None}
    assert message.content_type == "application/json"
    headers = message.headers
    assert (headers["task"], headers["id"]) == ("duly.process_event", f"{ID}:3")
    assert (headers["eta"], headers["expires"], headers["ignore_result"]) == (None, None, True)
    assert "secret" not in repr((message.body, headers, message.properties))


def test_its_time_limits_come_after_the_timeout_of_its_handler_or_event(
    publish: Callable[..., Any], handle: Callable[..., None]
) -> None:
    assert publish(CLAIM).headers["timelimit"] == [None, None]
    handle("call", lambda occurrence: None, timeout=30)
    assert publish(CLAIM).headers["timelimit"] == [36, 31]
    assert publish(replace(CLAIM, handling={"timeout": 5.5})).headers["timelimit"] == [11.5, 6.5]


def test_only_an_occurrence_that_expires_makes_a_message_that_does(
    publish: Callable[..., Any],
) -> None:
    late = replace(CLAIM, expires_at=datetime.now(UTC) + timedelta(seconds=60))

    assert "expiration" not in publish(CLAIM).properties
    assert 50_000 < int(publish(late).properties["expiration"]) <= 60_000


def test_priority_and_trace_headers_are_added(publish: Callable[..., Any]) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    message = publish(CLAIM, priority=7, headers_of=lambda claim: {"traceparent": trace})

    assert message.properties["priority"] == 7
    assert message.headers["traceparent"] == trace


def test_a_broker_that_nobody_runs_is_told_within_a_moment(using: str) -> None:
    app = Celery("publishing", broker="amqp://127.0.0.1:1//", set_as_current=False)

    with pytest.raises(BrokerUnavailable, match="queue 'calls' took not all of 2 messages"):
        CeleryPublisher("calls", app=app).publish([CLAIM, CLAIM])


def test_the_projects_app_is_found_from_any_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = Celery("ours", broker="memory://", set_as_current=False)
    ours.set_as_current = True
    monkeypatch.setattr(_state, "_get_active_apps", lambda: {ours})
    found: list[Celery] = []
    thread = threading.Thread(target=lambda: found.append(project.project_app()))
    thread.start()
    thread.join()

    assert found == [ours]
    monkeypatch.setattr(_state, "_get_active_apps", set)
    monkeypatch.setattr(_state._tls, "current_app", None)
    with pytest.raises(ConfigurationError, match="has 0 Celery apps"):
        project.project_app()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_process_that_was_forked_opens_a_connection_of_its_own(
    using: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = Celery("publishing", broker="memory://", set_as_current=False)
    publisher = CeleryPublisher("calls", app=app)
    publisher.publish([CLAIM])
    before = publisher._line
    monkeypatch.setattr(os, "getpid", lambda: -1)

    publisher.publish([CLAIM])

    assert publisher._line is not before
