"""Bearer tokens: taken from the issuer that the settings name, and from nobody else."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import jwt
import pytest

from duly.access.refusals import TokenKeysUnavailable, Unauthorized
from duly.access.tokens import check_keys, verify_token
from duly.errors import ConfigurationError
from duly.policy.scopes import Scope
from duly.policy.token_options import TokenOptions
from duly.testing.manual_clock import ManualClock
from tests.access.conftest import Get
from tests.access.issuer import AUDIENCE, ISSUER, SECRET, Issuer, Key, claims
from tests.builders import NOW

OPTIONS = {"issuer": ISSUER, "audience": AUDIENCE}
HS = OPTIONS | {"algorithms": ["HS256"], "secret": SECRET}
RSA, EC, OTHER = Key("one"), Key("two", "ES256"), Key("other")
AT = int(NOW.timestamp())
Allow = Callable[..., None]


@pytest.fixture
def allow(manual: ManualClock, settings: Any) -> Allow:
    """Set DULY["JWT"]; nothing here asks a database, whose clock is set by hand."""

    def allow(**options: Any) -> None:
        settings.DULY = {"STRICT": False, "JWT": options}

    return allow


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    issuer = Issuer(RSA)
    yield issuer
    issuer.close()


def hs(given: dict[str, Any], secret: str = SECRET, algorithm: str = "HS256") -> str:
    return jwt.encode(given, secret, algorithm)


def reason_for(token: str) -> str:
    """Give why a token is refused, which only the operator is told; "" where it is taken."""
    try:
        verify_token(token)
    except Unauthorized as error:
        told, reason = str(error), error.reason
    else:
        return ""
    assert told == "the bearer token is not valid"
    return reason


def unsigned(given: dict[str, Any], **header: Any) -> str:
    def part(data: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(data).encode()).rstrip(b"=").decode()

    return f"{part({'typ': 'JWT', 'alg': 'none'} | header)}.{part(given)}."


def test_a_token_says_whose_it_is_and_what_it_may(allow: Allow) -> None:
    allow(**HS)

    caller = verify_token(hs(claims()))

    assert (caller.actor, caller.service) == ("jwt:alice", "billing")
    assert caller.scopes == {Scope.READ, Scope.SCHEDULE}


@pytest.mark.parametrize("key", [RSA, EC], ids=lambda key: key.algorithm)
def test_a_token_of_the_public_key_is_taken(allow: Allow, key: Key) -> None:
    allow(**OPTIONS, algorithms=[key.algorithm], public_key=key.pem)

    assert reason_for(key.sign(claims())) == ""


def test_a_secret_may_be_in_the_environment(allow: Allow, monkeypatch: pytest.MonkeyPatch) -> None:
    allow(**HS | {"secret": {"env": "TOKEN_SECRET"}})
    with pytest.raises(ConfigurationError, match="'TOKEN_SECRET', which is not set"):
        verify_token(hs(claims()))

    monkeypatch.setenv("TOKEN_SECRET", SECRET)

    assert reason_for(hs(claims())) == ""


def test_claims_may_have_other_names_and_scopes_be_a_list(allow: Allow) -> None:
    allow(**HS, service_claim="azp", scope_claim="permissions")

    caller = verify_token(hs(claims(azp="crm", permissions=["cancel", "cook"], scope=None)))

    assert (caller.service, caller.scopes) == ("crm", frozenset({Scope.CANCEL}))


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        pytest.param({"exp": AT - 11}, "has expired", id="expired"),
        pytest.param({"exp": None}, "MissingRequiredClaimError", id="no-exp"),
        pytest.param({"exp": "2030"}, "exp is no number", id="exp-text"),
        pytest.param({"exp": True}, "exp is no number", id="exp-true"),
        pytest.param({"exp": 1e400}, "exp is no time", id="exp-infinite"),
        pytest.param({"exp": 10**400}, "exp is no time", id="exp-huge"),
        pytest.param({"exp": AT + 3611, "iat": None}, "valid for longer than 3600", id="lasting"),
        pytest.param({"exp": AT + 300, "iat": AT - 3301}, "valid for longer", id="long-lived"),
        pytest.param({"nbf": AT + 11}, "nbf has not come", id="not-yet"),
        pytest.param({"iat": AT + 11}, "iat has not come", id="of-tomorrow"),
        pytest.param({"aud": "another"}, "InvalidAudienceError", id="wrong-aud"),
        pytest.param({"aud": None}, "MissingRequiredClaimError", id="no-aud"),
        pytest.param({"iss": "https://evil.example/"}, "InvalidIssuerError", id="wrong-iss"),
        pytest.param({"iss": None}, "MissingRequiredClaimError", id="no-iss"),
        pytest.param({"service": None}, "service names no service", id="no-service"),
        pytest.param({"service": ["billing"]}, "names no service", id="service-list"),
        pytest.param({"service": "x" * 101}, "names no service", id="long-service"),
        pytest.param({"service": "duly"}, "is duly's own", id="own-service"),
        pytest.param({"service": "a\nb"}, "cannot be printed", id="service-line-break"),
        pytest.param({"sub": "x" * 181}, "sub is no text", id="long-sub"),
        pytest.param({"sub": "al\u0000ice"}, "sub is no text", id="sub-nul"),
        pytest.param({"scope": {"read": True}}, "neither text nor a list", id="scope-dict"),
    ],
)
def test_a_token_whose_claims_do_not_hold_is_refused(
    allow: Allow, other: dict[str, Any], reason: str
) -> None:
    allow(**HS)

    assert reason in reason_for(hs(claims(**other))) != ""


def test_the_leeway_is_for_clocks_that_differ(allow: Allow, manual: ManualClock) -> None:
    allow(**HS)
    token = hs(claims(exp=AT + 60, iat=AT + 10))

    manual.move(timedelta(seconds=69))
    assert reason_for(token) == ""
    manual.move(timedelta(seconds=1))
    assert reason_for(token) == "it has expired"


def test_an_unsigned_token_is_refused_however_it_is_written(allow: Allow) -> None:
    allow(**HS)
    for word in ("none", "None", "NONE", "nOnE", "", None, ["HS256"], {"a": 1}):
        for token in (unsigned(claims(), alg=word), unsigned(claims(), alg=word) + "AAAA"):
            assert reason_for(token) != ""


def test_a_public_key_is_never_taken_for_a_secret(allow: Allow) -> None:
    allow(**OPTIONS, algorithms=["RS256"], public_key=RSA.pem)
    # PyJWT will not sign with it; whoever forges one does so by hand.
    header, payload, _ = hs(claims()).split(".")
    mac = hmac.new(RSA.pem.encode(), f"{header}.{payload}".encode(), hashlib.sha256).digest()
    forged = f"{header}.{payload}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"

    assert reason_for(forged) == "its algorithm is not one of the settings'"


def test_a_token_of_another_key_or_changed_by_a_letter_is_refused(allow: Allow) -> None:
    allow(**OPTIONS, algorithms=["RS256"], public_key=RSA.pem)
    good = RSA.sign(claims())
    header, payload, signature = good.split(".")
    other = RSA.sign(claims(service="crm")).split(".")[1]

    assert reason_for(OTHER.sign(claims())) == "InvalidSignatureError"
    assert reason_for(f"{header}.{other}.{signature}") == "InvalidSignatureError"
    assert reason_for(f"{header}.{payload}.") == "InvalidSignatureError"
    for text in ("", "a", "a.b.c", "..", good[:-10], good * 20, "\udcff.a.b", f"{good}.x"):
        assert reason_for(text) != ""


def test_a_key_that_a_token_brings_along_counts_for_nothing(allow: Allow, issuer: Issuer) -> None:
    allow(**OPTIONS, algorithms=["RS256"], jwks_url=issuer.url)
    brought = OTHER.sign(claims(), kid="one", jwk=OTHER.jwk(), jku="http://127.0.0.1:1/", x5u="x")

    assert reason_for(brought) == "InvalidSignatureError"


def test_without_the_setting_no_token_is_taken(manual: ManualClock, settings: Any) -> None:
    settings.DULY = {}

    assert reason_for(hs(claims())) == "DULY['JWT'] is not set"


def test_keys_are_fetched_once_and_again_for_one_that_is_new(
    allow: Allow, issuer: Issuer, manual: ManualClock
) -> None:
    allow(**OPTIONS, algorithms=["RS256", "ES256"], jwks_url=issuer.url)
    assert [reason_for(RSA.sign(claims())) for _ in range(3)] == ["", "", ""]
    assert issuer.fetched == 1

    issuer.keys.append(EC)
    assert reason_for(EC.sign(claims())) == "the issuer has no such key"
    manual.move(timedelta(seconds=10))

    assert reason_for(EC.sign(claims())) == ""
    assert reason_for(RSA.sign(claims())) == ""
    assert issuer.fetched == 2


def test_unknown_keys_cost_the_issuer_one_fetch_in_ten_seconds(
    allow: Allow, issuer: Issuer, manual: ManualClock
) -> None:
    allow(**OPTIONS, algorithms=["RS256"], jwks_url=issuer.url)
    for second in range(20):
        assert reason_for(OTHER.sign(claims(), kid=f"made up {second}")) != ""
        manual.move(timedelta(seconds=1))

    assert issuer.fetched == 2


def test_a_key_that_is_withdrawn_stops_within_five_minutes(
    allow: Allow, issuer: Issuer, manual: ManualClock
) -> None:
    allow(**OPTIONS, algorithms=["RS256"], jwks_url=issuer.url)
    assert reason_for(RSA.sign(claims())) == ""
    issuer.keys = [OTHER]

    manual.move(timedelta(minutes=5, seconds=1))

    assert reason_for(RSA.sign(claims())) == "the issuer has no such key"
    assert reason_for(OTHER.sign(claims())) == ""


def test_an_issuer_that_is_away_for_a_while_is_gone_by_and_then_not(
    allow: Allow, issuer: Issuer, manual: ManualClock
) -> None:
    allow(**OPTIONS, algorithms=["RS256"], jwks_url=issuer.url)
    assert reason_for(RSA.sign(claims())) == ""
    issuer.status = 503
    manual.move(timedelta(minutes=6))
    assert reason_for(RSA.sign(claims())) == ""

    manual.move(timedelta(hours=1))

    with pytest.raises(TokenKeysUnavailable):
        verify_token(RSA.sign(claims(exp=AT + 7200, iat=AT + 3700)))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[]", id="list"),
        pytest.param(b'{"keys": []}', id="empty"),
        pytest.param(b"<html>", id="html"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b" " * 300_000, id="large"),
        pytest.param(
            json.dumps({"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "one"}]}).encode(),
            id="a-secret",
        ),
    ],
)
def test_what_is_no_set_of_public_keys_is_not_taken_for_one(
    allow: Allow, issuer: Issuer, body: bytes
) -> None:
    allow(**OPTIONS, algorithms=["RS256"], jwks_url=issuer.url)
    issuer.body = body

    with pytest.raises(TokenKeysUnavailable):
        verify_token(RSA.sign(claims()))


def test_an_issuer_that_sends_elsewhere_is_not_followed(allow: Allow, issuer: Issuer) -> None:
    allow(**OPTIONS, algorithms=["RS256"], jwks_url=issuer.url)
    issuer.status = 302

    with pytest.raises(TokenKeysUnavailable):
        verify_token(RSA.sign(claims()))


def test_of_many_threads_one_fetches(allow: Allow, issuer: Issuer) -> None:
    allow(**OPTIONS, algorithms=["RS256"], jwks_url=issuer.url)
    issuer.delay = 0.2
    reasons: list[str] = []
    token = RSA.sign(claims())
    threads = [threading.Thread(target=lambda: reasons.append(reason_for(token))) for _ in range(8)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (reasons, issuer.fetched) == ([""] * 8, 1)


def test_a_key_for_another_algorithm_or_use_is_not_used(allow: Allow, issuer: Issuer) -> None:
    allow(**OPTIONS, algorithms=["RS256", "RS512"], jwks_url=issuer.url)
    token = jwt.encode(claims(), RSA.private, "RS512", headers={"kid": "one"})

    assert reason_for(token) == "its key is for another algorithm"


def test_a_token_without_kid_is_checked_where_there_is_one_key(
    allow: Allow, issuer: Issuer, manual: ManualClock
) -> None:
    allow(**OPTIONS, algorithms=["RS256"], jwks_url=issuer.url)
    token = jwt.encode(claims(), RSA.private, "RS256")
    assert reason_for(token) == ""

    issuer.keys.append(OTHER)
    manual.move(timedelta(minutes=6))

    assert reason_for(jwt.encode(claims(), RSA.private, "RS256")) == "the issuer has no such key"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        pytest.param({"algorithms": ["none"]}, "algorithms must be of HS256.*'none'", id="none"),
        pytest.param({"algorithms": []}, "must be a list", id="no-algorithm"),
        pytest.param({"algorithms": ["HS256", "RS256"]}, "must not mix HS", id="mixed"),
        pytest.param({"secret": "short"}, "32 bytes or more .* got 5", id="short-secret"),
        pytest.param(
            {"algorithms": ["HS512"], "secret": SECRET}, "64 bytes or more", id="short-for-512"
        ),
        pytest.param({"secret": None}, "HS algorithms take a secret", id="no-secret"),
        pytest.param({"public_key": RSA.pem}, "and nothing else", id="both"),
        pytest.param(
            {"algorithms": "RS256", "secret": None}, "public_key or jwks_url", id="no-key"
        ),
        pytest.param(
            {"algorithms": "RS256", "secret": None, "jwks_url": "http://id.example.com/k"},
            "jwks_url must be https",
            id="plain-http",
        ),
        pytest.param(
            {"algorithms": "RS256", "secret": None, "jwks_url": "file:///etc/passwd"},
            "jwks_url must be",
            id="file",
        ),
        pytest.param({"audience": ""}, "audience must be text", id="no-audience"),
        pytest.param({"leeway": 301}, "leeway must be 5 minutes at most", id="long-leeway"),
        pytest.param({"longest_lifetime": 0}, "must be above zero", id="no-lifetime"),
        pytest.param({"audiences": "x"}, "did you mean 'audience'", id="near"),
    ],
)
def test_settings_that_cannot_be_safe_are_refused_without_the_secret(
    options: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=problem) as caught:
        TokenOptions.from_mapping(HS | options)

    assert SECRET not in str(caught.value)
    assert SECRET not in repr(TokenOptions.from_mapping(HS))


def test_a_public_key_that_is_none_is_found_at_the_start() -> None:
    given = OPTIONS | {"algorithms": ["RS256"], "public_key": "-----BEGIN NONSENSE-----"}
    with pytest.raises(ConfigurationError, match="public_key must be a public key in PEM"):
        check_keys(TokenOptions.from_mapping(given))
    with pytest.raises(ConfigurationError, match="that fits algorithms"):
        check_keys(TokenOptions.from_mapping(given | {"public_key": EC.pem}))
    check_keys(TokenOptions.from_mapping(given | {"public_key": RSA.pem}))


def test_a_token_in_the_header_is_let_in_and_a_bad_one_told_so(get: Get, settings: Any) -> None:
    settings.DULY = {**settings.DULY, "JWT": HS}

    good = get(Authorization=f"Bearer {hs(claims())}")
    bad = get(Authorization=f"bearer {hs(claims(exp=AT - 60))}")

    assert (good.status_code, good.json()["actor"]) == (200, "jwt:alice")
    assert (bad.status_code, bad["WWW-Authenticate"]) == (
        401,
        'Bearer realm="duly", error="invalid_token"',
    )
