"""Services of the settings and of the database: where their occurrences go."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

import duly
from duly import At
from duly.engine.targets import http
from duly.errors import ConfigurationError, UnknownEventType
from duly.models import Occurrence
from duly.services import REFRESH_SECONDS, Registry
from duly.store.services import put_service, remove_service
from duly.webhooks import new_secret, verify
from tests.builders import NOW
from tests.engine.conftest import Signals
from tests.targets.server import Answering, Received, ScriptedServer, reply

Start = Callable[..., Any]
Handle = Callable[..., None]
SECRET = new_secret()


def now() -> At:
    return At.instant(datetime.now(UTC))


@pytest.fixture
def endpoint() -> Iterator[Callable[..., ScriptedServer]]:
    servers: list[ScriptedServer] = []

    def serve(script: Any = None) -> ScriptedServer:
        servers.append(ScriptedServer(script or reply(204)))
        return servers[-1]

    yield serve
    http._pool.close()
    for server in servers:
        server.close()


def crm(server: ScriptedServer, **options: Any) -> dict[str, Any]:
    url = f"http://127.0.0.1:{server.port}/duly"
    return {"target": "http", "url": url, "secret": SECRET, "allow": ["127.0.0.0/8"]} | options


def statuses(using: str) -> list[str]:
    return list(Occurrence.objects.using(using).values_list("status", flat=True))


def test_an_occurrence_of_an_http_service_arrives_signed_with_what_it_was_scheduled_with(
    start_engine: Start, signals: Signals, settings: Any, endpoint: Any, using: str
) -> None:
    server = endpoint()
    settings.DULY = {**settings.DULY, "STRICT": True, "SERVICES": {"crm": crm(server)}}
    event = duly.schedule_event(
        "call_back", now(), service="crm", payload={"n": 1}, entity=("patient", 7)
    )
    start_engine()

    signals.wait("occurrences.recorded")

    (received,) = server.received
    body = verify(received.body, received.headers, SECRET)
    assert (body["event_id"], body["payload"], body["entity_id"]) == (str(event.id), {"n": 1}, "7")
    assert statuses(using) == ["succeeded"]


def test_a_service_that_answers_with_an_error_is_tried_again_under_the_same_id(
    start_engine: Start, signals: Signals, settings: Any, endpoint: Any, using: str
) -> None:
    def script(answering: Answering, received: Received) -> None:
        reply(503 if len(server.received) < 3 else 200)(answering, received)

    server = endpoint(script)
    retry = {"attempts": 5, "base": 0.01, "cap": 0.01}
    settings.DULY = {**settings.DULY, "SERVICES": {"crm": crm(server, retry=retry)}}
    duly.schedule_event("call_back", now(), service="crm")
    start_engine()

    signals.wait("occurrences.recorded", 3)

    assert len({received.headers["webhook-id"] for received in server.received}) == 1
    assert [received.headers["duly-attempt"] for received in server.received] == ["1", "2", "3"]
    assert statuses(using) == ["succeeded"]


def test_an_address_that_is_not_allowed_is_a_dead_letter_that_says_so(
    start_engine: Start, signals: Signals, settings: Any, endpoint: Any, using: str
) -> None:
    server = endpoint()
    options = crm(server, allow=[], allow_http=True)
    settings.DULY = {**settings.DULY, "SERVICES": {"crm": options}}
    duly.schedule_event("call_back", now(), service="crm")
    start_engine()

    signals.wait("occurrences.recorded")

    dead = Occurrence.objects.using(using).get(event_type="call_back")
    assert (dead.status, dead.attempt, server.received) == ("dead", 1, [])
    assert "127.0.0.1" in dead.error


def test_a_service_that_is_down_spends_few_attempts_and_gets_all_once_it_is_up(
    start_engine: Start, signals: Signals, settings: Any, endpoint: Any, using: str
) -> None:
    is_down = [True]

    def script(answering: Answering, received: Received) -> None:
        time.sleep(0.01)
        reply(503 if is_down[0] else 200)(answering, received)

    server = endpoint(script)
    options = crm(
        server,
        in_flight=4,
        breaker={"failures": 3, "open_for": 0.5},
        retry={"attempts": 20, "base": 0.01, "cap": 0.01},
    )
    settings.DULY = {**settings.DULY, "SERVICES": {"crm": options}}
    duly.schedule_events([duly.NewEvent("call_back", now(), service="crm") for _ in range(100)])
    start_engine()
    signals.wait("occurrences.deferred", 90)
    spent = len(server.received)
    is_down[0] = False

    end = time.monotonic() + 20
    while statuses(using).count("succeeded") < 100:
        assert time.monotonic() < end, statuses(using)
        time.sleep(0.02)

    assert spent <= 20


def test_a_death_is_told_in_the_engine_wherever_its_service_delivers(
    start_engine: Start, handle: Handle, signals: Signals, settings: Any, endpoint: Any
) -> None:
    server = endpoint(reply(500))
    options = crm(server, retry={"attempts": 1}, breaker={"failures": 1})
    settings.DULY = {**settings.DULY, "SERVICES": {"crm": options}}
    told: list[Occurrence] = []
    handle("call_back", lambda occurrence: None, on_dead=told.append)
    duly.schedule_event("call_back", now(), service="crm")
    start_engine()

    signals.wait("occurrences.recorded", 2)

    assert [dead.event_type for dead in told] == ["call_back"]
    assert len(server.received) == 1


def test_what_has_no_handler_is_refused_unless_its_service_delivers_elsewhere(
    settings: Any, using: str, endpoint: Any
) -> None:
    services = {"crm": crm(endpoint())}
    settings.DULY = {"DATABASE": using, "STRICT": True, "SERVICES": services}

    duly.schedule_event("unheard_of", now(), service="crm")
    with pytest.raises(UnknownEventType):
        duly.schedule_event("unheard_of", now(), service="other")


def test_a_service_of_the_database_is_followed_and_the_settings_come_first(
    settings: Any, using: str
) -> None:
    settings.DULY = {"DATABASE": using, "SERVICES": {"both": {"in_flight": 1}}}
    at = [0.0]
    registry = Registry(lambda: at[0])
    registry.refresh()
    put_service(using, "both", {"in_flight": 2}, NOW)
    put_service(using, "stored", {"in_flight": 3}, NOW)

    at[0] += REFRESH_SECONDS + 1
    registry.refresh()
    found = {service.name: service.limits.in_flight for service in registry.registered()}

    assert found == {"both": 1, "stored": 3}
    assert remove_service(using, "stored")


def test_a_row_that_cannot_be_read_delivers_nowhere_rather_than_elsewhere(
    settings: Any, using: str
) -> None:
    put_service(using, "crm", {}, NOW)
    from duly.models import Service

    Service.objects.using(using).update(options={"target": "carrier pigeon"})
    registry = Registry()
    registry.refresh()

    assert registry.find("crm") is None


def test_what_belongs_to_such_a_row_waits_and_says_so(
    start_engine: Start, handle: Handle, signals: Signals, using: str
) -> None:
    put_service(using, "crm", {}, NOW)
    from duly.models import Service

    Service.objects.using(using).update(options={"target": "carrier pigeon"})
    handle("call_back", lambda occurrence: None)
    duly.schedule_event("call_back", now(), service="crm")
    start_engine()

    signals.wait("occurrences.parked")

    parked = Occurrence.objects.using(using).get()
    assert (parked.status, parked.reason) == ("pending", "service 'crm' cannot be read")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"target": "pigeon"}, "target must be one of handler, celery, tasks, http; got 'pigeon'"),
        ({"target": "celery", "que": "x"}, "has no 'que'; did you mean 'queue'?"),
        ({"in_flight": 0}, "in_flight must be a whole number from 1 on, got 0"),
        ({"rate": "many"}, "rate must be a count and s, m, h or d"),
        ({"breaker": {"failure": 3}}, "a breaker has no 'failure'; did you mean 'failures'?"),
        ({"retry": {"attempts": 0}}, "attempts must be 1 or more, got 0"),
        ({"timeout": 0}, "timeout must be above zero, got 0"),
        (None, "must be a dict, got None"),
        ({"target": "http"}, "an HTTP target needs url and secret"),
    ],
    ids=json.dumps,
)
def test_a_service_that_cannot_work_is_refused_with_its_name(options: Any, said: str) -> None:
    from duly.policy.service import service_from

    with pytest.raises(ConfigurationError) as refused:
        service_from("crm", options)

    assert str(refused.value).startswith("service 'crm': ")
    assert said in str(refused.value)


def test_a_secret_in_plain_text_is_not_stored(using: str) -> None:
    options = {"target": "http", "url": "https://crm.example.com/", "secret": SECRET}

    with pytest.raises(ConfigurationError, match="secret must be named in the database"):
        put_service(using, "crm", options, NOW)
