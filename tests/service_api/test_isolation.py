"""Nobody without a valid key gets in, and nobody learns of what is another's.

The table is made of the API's own description, so that an endpoint that is new is in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from tests.service_api.described import Operation, operations
from tests.service_api.http import Reply, ask
from tests.service_api.running import JWT_SECRET, Running, token

# What asks for no key: a link to a calendar is signed, and known to those alone who were given it.
OPEN = {"/api/calendars/{token}.ics"}
FAR = datetime(2099, 3, 30, 9, tzinfo=UTC)
PAST = datetime.now(UTC) - timedelta(hours=2)

Credential = Callable[[Running], Mapping[str, str]]


def _nobody(service: Running) -> Mapping[str, str]:
    return {}


def _key_of(name: str) -> Credential:
    return lambda service: service.keys[name].headers()


def _wrong_secret(service: Running) -> Mapping[str, str]:
    key = service.keys["mine"].secret
    return {"X-Service-Name": "mine", "X-API-Key": key[:-1] + ("0" if key[-1] != "0" else "1")}


def _theirs_as_mine(service: Running) -> Mapping[str, str]:
    return {"X-Service-Name": "mine", "X-API-Key": service.keys["theirs"].secret}


def _without_its_service(service: Running) -> Mapping[str, str]:
    return {"X-API-Key": service.keys["mine"].secret}


def _bearer(**options: Any) -> Credential:
    return lambda service: {"Authorization": f"Bearer {token(**options)}"}


def _unsigned(service: Running) -> Mapping[str, str]:
    head, claims, _ = token(secret="", algorithm="none").split(".")
    return {"Authorization": f"Bearer {head}.{claims}."}


def _signature_cut(service: Running) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {token().rpartition('.')[0]}."}


NOBODY: Mapping[str, Credential] = {
    "no key": _nobody,
    "an empty key": lambda service: {"X-Service-Name": "mine", "X-API-Key": ""},
    "no key but a service": lambda service: {"X-Service-Name": "mine"},
    "a key without its service": _without_its_service,
    "a made-up key": lambda service: {"X-Service-Name": "mine", "X-API-Key": "duly_abc_def"},
    "a key with a wrong end": _wrong_secret,
    "another service's key as mine": _theirs_as_mine,
    "a key of SQL": lambda service: {"X-Service-Name": "mine", "X-API-Key": "' OR 1=1 --"},
    "an expired key": _key_of("expired"),
    "a revoked key": _key_of("revoked"),
    "no token": lambda service: {"Authorization": "Bearer "},
    "no JWT": lambda service: {"Authorization": "Bearer abc"},
    "basic authentication": lambda service: {"Authorization": "Basic bWluZTptaW5l"},
    "a JWT of another secret": _bearer(secret="another secret that is long enough, too"),
    "a JWT that is over": _bearer(exp=PAST),
    "a JWT of another issuer": _bearer(iss="others"),
    "a JWT for another audience": _bearer(aud="others"),
    "a JWT without an end": _bearer(exp=None),
    "a JWT of alg none": _unsigned,
    "a JWT without its signature": _signature_cut,
    "a JWT of another algorithm": _bearer(secret=JWT_SECRET * 2, algorithm="HS512"),
    "a JWT of no service": _bearer(service=""),
}


@pytest.fixture(scope="module")
def described(service: Running) -> dict[str, Any]:
    """Give the description."""
    found: dict[str, Any] = ask("GET", f"{service.url}/api/openapi.json").json()
    return found


@pytest.fixture(scope="module")
def closed(described: dict[str, Any]) -> list[Operation]:
    """Give every operation that asks who one is."""
    return [one for one in operations(described) if one.path not in OPEN]


def _ask(service: Running, one: Operation, headers: Mapping[str, str], described: Any) -> Reply:
    body = one.body(described)
    kind = {"Content-Type": body[0]} if body else {}
    url = service.url + one.url({})
    return ask(one.method, url, {**headers, **kind}, body[1] if body else None)


def test_the_description_has_the_contract(described: dict[str, Any]) -> None:
    found = {(one.method, one.path) for one in operations(described)}

    assert found >= {
        ("POST", "/api/events/schedule"),
        ("GET", "/api/events/upcoming"),
        ("GET", "/api/events/{event_id}"),
        ("DELETE", "/api/events/{event_id}"),
        ("DELETE", "/api/events/entity/{entity_id}"),
        ("POST", "/api/events/timezone/convert"),
        ("POST", "/api/events/timezone/validate"),
    }


def test_every_operation_says_that_it_asks_for_a_key(closed: list[Operation]) -> None:
    assert [str(one) for one in closed if one.is_open] == []


@pytest.mark.parametrize("who", NOBODY)
def test_nobody_gets_in_with(
    who: str, service: Running, closed: list[Operation], described: dict[str, Any]
) -> None:
    headers = NOBODY[who](service)
    for one in closed:
        reply = _ask(service, one, headers, described)

        assert reply.status == 401, (str(one), reply)
        assert reply.headers["WWW-Authenticate"], str(one)
        told = str(reply.problem())
        assert not {"expired", "revoked"} & set(told.split()), told
        assert all(value not in told for value in headers.values() if len(value) > 8), told


def test_every_refusal_of_nobody_is_the_same(service: Running, closed: list[Operation]) -> None:
    """So that nothing is learnt of which keys there are."""
    one = next(one for one in closed if one.path == "/api/events/upcoming")
    by_key = {
        who: ask(one.method, service.url + one.path, credential(service)).body
        for who, credential in NOBODY.items()
        if "key" in who
    }

    assert len(set(by_key.values())) == 1, by_key


def test_a_scope_that_is_missing_is_named(
    service: Running, closed: list[Operation], described: dict[str, Any]
) -> None:
    """Each operation lets in one of the keys that have a single scope, or none; never all."""
    for one in closed:
        refused = set()
        for scope in ("read", "schedule", "cancel", "replay"):
            key = service.keys[f"only_{scope}"]
            reply = _ask(service, one, key.headers(), described)
            assert reply.status != 401, (str(one), scope, reply)
            if reply.status == 403:
                assert "scope" in reply.problem()["detail"], reply
                refused.add(scope)
        assert len(refused) >= 3, (str(one), refused)


def test_a_token_without_a_scope_may_nothing(
    service: Running, closed: list[Operation], described: dict[str, Any]
) -> None:
    headers = {"Authorization": f"Bearer {token(scope='')}"}

    for one in closed:
        assert _ask(service, one, headers, described).status == 403, str(one)


def test_a_valid_token_is_let_in(service: Running) -> None:
    headers = {"Authorization": f"Bearer {token()}"}

    assert ask("GET", f"{service.url}/api/events/upcoming", headers).status == 200


@pytest.mark.parametrize("made_up", ["x", "a.b", "a.b.c", "' OR 1=1", "%00", "../events/upcoming"])
def test_a_link_to_a_calendar_that_nobody_signed_leads_nowhere(
    service: Running, made_up: str
) -> None:
    reply = ask("GET", f"{service.url}/api/calendars/{quote(made_up, safe='%')}.ics")

    assert reply.status == 404
