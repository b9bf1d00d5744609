"""Who may call: keys in headers, scopes, and those who guess."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from duly.access.keys import issue_key, revoke_key
from duly.access.throttle import MOST_REMEMBERED, Throttle, network_of, throttle
from duly.policy.rate import Rate
from duly.policy.scopes import Scope
from duly.rest.auth import add_security
from duly.testing.manual_clock import ManualClock
from tests.access.conftest import Get
from tests.access.urls import api

READ = [Scope.READ]


def test_a_key_with_its_service_is_let_in(get: Get) -> None:
    key, secret = issue_key("billing", "backend", READ)

    answer = get(X_API_Key=secret, X_Service_Name="billing")

    assert answer.status_code == 200
    assert answer.json() == {
        "actor": f"key:billing/{key.prefix}",
        "service": "billing",
        "scopes": ["read"],
    }


def test_a_service_may_have_any_name_that_can_be_printed(get: Get) -> None:
    _, secret = issue_key("café 予約", "backend", READ)

    sent = "café 予約".encode().decode("latin-1")

    assert get(X_API_Key=secret, X_Service_Name=sent).json()["service"] == "café 予約"


def test_the_description_says_that_a_key_needs_the_name_of_its_service(get: Get) -> None:
    description: dict[str, Any] = dict(api.get_openapi_schema(path_prefix="/api/"))

    add_security(description)

    schemes = description["components"]["securitySchemes"]
    assert schemes["ApiKey"]["name"] == "X-API-Key"
    assert schemes["ServiceName"]["name"] == "X-Service-Name"
    assert schemes["BearerToken"] == {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    who = description["paths"]["/api/who"]["get"]
    assert who["security"] == [{"ApiKey": [], "ServiceName": []}, {"BearerToken": []}]


def test_without_a_valid_key_the_answer_is_401_and_says_how_to_ask(get: Get) -> None:
    key, secret = issue_key("billing", "backend", READ)
    refused = [
        get(),
        get(X_API_Key=secret),
        get(X_API_Key=secret, X_Service_Name="crm"),
        get(X_API_Key=secret[:-1], X_Service_Name="billing"),
        get(X_Service_Name="billing"),
        get(Authorization=f"Basic {secret}"),
        get(Authorization="Bearer"),
        get(Authorization=f"Bearer {secret}"),
    ]
    revoke_key(key.prefix)
    refused.append(get(X_API_Key=secret, X_Service_Name="billing"))

    assert {answer.status_code for answer in refused} == {401}
    assert all('realm="duly"' in answer["WWW-Authenticate"] for answer in refused)
    assert all(secret[:-2] not in answer.content.decode() for answer in refused)


def test_a_refusal_is_no_line_in_the_log(get: Get, caplog: Any) -> None:
    assert get().status_code == 401

    assert caplog.records == []


def test_a_missing_scope_is_403_and_named(get: Get) -> None:
    _, reader = issue_key("billing", "reader", READ)
    _, writer = issue_key("billing", "writer", [Scope.SCHEDULE])

    def change(secret: str) -> Any:
        return get(method="POST", path="/api/change", X_API_Key=secret, X_Service_Name="billing")

    refused, done = change(reader), change(writer)

    assert (refused.status_code, done.status_code) == (403, 200)
    assert "'schedule'" in refused.content.decode()


def test_a_thousand_bad_keys_from_one_address_are_told_to_wait_and_others_are_not(
    get: Get, using: str
) -> None:
    _, secret = issue_key("billing", "backend", READ)

    codes = [
        get(X_API_Key=f"duly_{n:010x}_00", X_Service_Name="billing", address="192.0.2.1")
        for n in range(1000)
    ]

    assert [answer.status_code for answer in codes] == [401] * 100 + [429] * 900
    assert codes[-1]["Retry-After"] == "1"
    assert len(throttle) <= 1 + 100
    elsewhere = get(X_API_Key=secret, X_Service_Name="billing", address="192.0.2.2")
    assert elsewhere.status_code == 200


def test_who_waited_is_heard_again(get: Get, settings: Any, manual: ManualClock) -> None:
    settings.DULY = {**settings.DULY, "BAD_KEYS": "2/m"}
    _, secret = issue_key("billing", "backend", READ)
    codes = [get(X_API_Key="wrong").status_code for _ in range(3)]

    good = {"X_API_Key": secret, "X_Service_Name": "billing"}
    before = get(**good)
    manual.move(timedelta(seconds=int(before["Retry-After"])))

    assert (codes, before.status_code) == ([401, 401, 429], 429)
    assert get(**good).status_code == 200


def test_who_has_shown_a_good_key_is_heard_beside_one_who_guesses(get: Get, settings: Any) -> None:
    settings.DULY = {**settings.DULY, "BAD_KEYS": "2/m"}
    _, secret = issue_key("billing", "backend", READ)
    good = {"X_API_Key": secret, "X_Service_Name": "billing"}
    assert get(**good).status_code == 200

    codes = [get(X_API_Key="wrong").status_code for _ in range(3)]

    assert codes == [401, 401, 429]
    assert get(**good).status_code == 200


def test_guesses_at_one_key_from_many_addresses_are_told_to_wait_and_its_owner_is_not(
    get: Get, settings: Any
) -> None:
    settings.DULY = {**settings.DULY, "BAD_KEYS": "2/m"}
    key, secret = issue_key("billing", "backend", READ)

    codes = [
        get(X_API_Key=f"duly_{key.prefix}_{n}", address=f"192.0.2.{n}").status_code
        for n in range(1, 5)
    ]

    assert codes == [401, 401, 429, 429]
    owner = get(X_API_Key=secret, X_Service_Name="billing", address="198.51.100.1")
    assert owner.status_code == 200


def test_a_request_without_any_key_is_never_told_to_wait(get: Get, settings: Any) -> None:
    settings.DULY = {**settings.DULY, "BAD_KEYS": "1/m"}

    assert {get().status_code for _ in range(5)} == {401}


def test_the_memory_of_failures_is_bounded() -> None:
    failures, rate = Throttle(), Rate.parse("1/h")

    for number in range(MOST_REMEMBERED + 1000):
        failures.failed(f"address:{number}", rate, 0.0)

    assert len(failures) == MOST_REMEMBERED
    assert failures.wait(f"address:{number}", rate, 0.0) == timedelta(hours=1)


def test_a_network_of_ipv6_is_one_client() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff") == "2001:db8::/64"
    assert network_of("2001:db8:0:1::1") != network_of("2001:db8::1")
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1") == "192.0.2.1"
    assert network_of("") == ""
