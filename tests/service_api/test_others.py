"""What is another service's does not exist: every endpoint answers as for what nobody has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.service_api.described import UNKNOWN_ID, Operation, operations
from tests.service_api.http import Reply, ask, ask_json
from tests.service_api.running import Running

CANARY = "canary-of-theirs"
EVENTS = "/api/events"


@dataclass(frozen=True)
class Theirs:
    """What another service has."""

    event_id: str
    occurrence_id: str

    def ids(self) -> dict[str, str]:
        return {
            "event_id": self.event_id,
            "occurrence_id": self.occurrence_id,
            "entity_id": CANARY,
            "name": CANARY,
        }


@pytest.fixture(scope="module")
def theirs(service: Running) -> Theirs:
    """Let the other service have an event, with an occurrence."""
    headers = service.keys["theirs"].headers()
    new = {
        "type": "canary_of_theirs",
        "id": CANARY,
        "entity_id": CANARY,
        "entity_type": "patient",
        "payload": {"secret": CANARY},
        "schedule": {"cron": "0 9 * * *", "timezone": "Europe/Berlin"},
    }
    made = ask_json("POST", f"{service.url}{EVENTS}/schedule", headers, new).json()
    event = made["event_id"]
    triggered = ask_json("POST", f"{service.url}{EVENTS}/{event}/trigger", headers, {})
    assert triggered.status < 300, triggered
    return Theirs(event, triggered.json()["occurrence_id"])


@pytest.fixture(scope="module")
def found(service: Running) -> tuple[dict[str, Any], list[Operation]]:
    """Give the description, and its operations."""
    description: dict[str, Any] = ask("GET", f"{service.url}/api/openapi.json").json()
    return description, list(operations(description))


def _mine(
    service: Running, one: Operation, ids: Mapping[str, str], description: Mapping[str, Any]
) -> Reply:
    body = one.body(description)
    kind = {"Content-Type": body[0]} if body else {}
    headers = {**service.keys["mine"].headers(), **kind}
    return ask(one.method, service.url + one.url(ids), headers, body[1] if body else None)


def test_nothing_tells_what_is_theirs_from_what_is_not_there(
    service: Running, theirs: Theirs, found: tuple[dict[str, Any], list[Operation]]
) -> None:
    description, every = found
    told = []
    for one in every:
        names = [parameter["name"] for parameter in one.parameters]
        if one.is_open or not names or names == ["entity_id"]:
            continue
        ids = theirs.ids()
        their = _mine(service, one, ids, description)
        unknown = _mine(service, one, {}, description)
        assert their.status == unknown.status, (str(one), their, unknown)
        assert their.status >= 400, (str(one), their)
        assert _without(their, ids) == _without(unknown, {}), str(one)
        told.append((str(one), their.status))

    # Where a body was refused first, nothing was looked for; most are looked for.
    statuses = [status for _, status in told]
    assert statuses.count(404) >= 0.6 * len(statuses), told


def test_nothing_of_theirs_is_in_any_list(
    service: Running, theirs: Theirs, found: tuple[dict[str, Any], list[Operation]]
) -> None:
    description, every = found
    for one in every:
        if one.changes or one.is_open or "stream" in one.path:
            continue
        reply = _mine(service, one, {"entity_id": CANARY}, description)

        assert theirs.event_id.encode() not in reply.body, str(one)
        assert b'"secret"' not in reply.body, str(one)
        assert b"canary_of_theirs" not in reply.body, str(one)


def test_what_is_theirs_by_its_key_is_not_there_for_me(service: Running, theirs: Theirs) -> None:
    reply = ask("GET", f"{service.url}{EVENTS}/{CANARY}", service.keys["mine"].headers())

    assert reply.status == 404
    assert theirs.event_id not in reply.problem()["detail"]


def test_cancelling_an_entity_leaves_what_is_theirs(service: Running, theirs: Theirs) -> None:
    mine, their = service.keys["mine"].headers(), service.keys["theirs"].headers()

    reply = ask("DELETE", f"{service.url}{EVENTS}/entity/{CANARY}", mine)

    assert reply.json()["events_cancelled"] == 0
    event = ask("GET", f"{service.url}{EVENTS}/{theirs.event_id}", their).json()
    assert event["status"] == "scheduled"


def test_a_key_of_mine_does_not_touch_an_event_of_that_key(
    service: Running, theirs: Theirs
) -> None:
    """Keys are each service's own: the same one names two events."""
    mine = service.keys["mine"].headers()
    new = {"type": "mine", "id": CANARY, "scheduled_time": "2099-03-30T09:00:00Z"}

    made = ask_json("POST", f"{service.url}{EVENTS}/schedule", mine, new)

    assert made.status == 201
    assert made.json()["event_id"] != theirs.event_id


def test_scheduling_for_another_service_is_refused(service: Running) -> None:
    new = {"type": "x", "scheduled_time": "2099-03-30T09:00:00Z", "service_id": "theirs"}

    reply = ask_json("POST", f"{service.url}{EVENTS}/schedule", service.keys["mine"].headers(), new)

    assert reply.status == 403
    assert reply.problem()["field"] == "service_id"


def test_an_admin_sees_what_is_everybodys(service: Running, theirs: Theirs) -> None:
    reply = ask("GET", f"{service.url}{EVENTS}/{theirs.event_id}", service.keys["admin"].headers())

    assert reply.status == 200
    assert reply.json()["service_id"] == "theirs"


def _without(reply: Reply, ids: Mapping[str, str]) -> str:
    """Give an answer's body with the ids that were asked for left out."""
    text = reply.body.decode()
    for id_ in sorted([UNKNOWN_ID, *ids.values()], key=len, reverse=True):
        text = text.replace(id_, "ID")
    return text
