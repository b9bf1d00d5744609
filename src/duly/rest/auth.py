"""Who calls: an API key or a bearer token, as what django-ninja asks of each request.

A key and its service come in `X-API-Key` and `X-Service-Name`, a token in `Authorization`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables
from ninja.security.base import AuthBase

from duly import clock
from duly.access import keys, quotas, tokens
from duly.access.caller import Caller
from duly.access.refusals import Forbidden, Throttled, Unauthorized
from duly.access.throttle import network_of, throttle
from duly.conf import config
from duly.policy.quota import Remaining
from duly.policy.rate import Rate
from duly.policy.scopes import Scope
from duly.rest.headers import header
from duly.telemetry import emit

SERVICE_HEADER, KEY_HEADER = "X-Service-Name", "X-API-Key"
_BEARER = "bearer"
_CALLER, _REMAINING = "duly_caller", "duly_remaining"
_NOTHING_ASKED = Remaining()


class ApiKey(AuthBase):
    """An API key, with the name of its service."""

    openapi_type = "apiKey"
    openapi_in = "header"
    openapi_name = KEY_HEADER
    openapi_description = f"A key of the service that {SERVICE_HEADER} names."

    @sensitive_variables()
    def __call__(self, request: HttpRequest) -> Caller | None:
        secret = header(request, KEY_HEADER)
        if not secret:
            return None
        service = _as_utf8(header(request, SERVICE_HEADER, ""))
        name = keys.prefix_of(secret)
        return _admitted(
            request, lambda: keys.verify(service, secret), name, lambda: keys.is_known(secret)
        )


class BearerToken(AuthBase):
    """A JSON Web Token of the issuer that the settings name."""

    openapi_type = "http"
    openapi_scheme = _BEARER
    openapi_bearerFormat = "JWT"  # noqa: N815 - as OpenAPI has it

    @sensitive_variables()
    def __call__(self, request: HttpRequest) -> Caller:
        scheme, _, token = header(request, "Authorization", "").partition(" ")
        if scheme.lower() != _BEARER:
            raise Unauthorized(reason="there are none")
        return _admitted(request, lambda: tokens.verify_token(token.strip()))


authenticators: list[Callable[[HttpRequest], Any]] = [ApiKey(), BearerToken()]
"""For `NinjaAPI(auth=...)`: each request's `auth` is a `Caller`, or the last of them raises."""


def identified(request: HttpRequest) -> Caller:
    """Give who calls, within a view of the API."""
    return cast(Caller, request.auth)  # type: ignore[attr-defined]


def require(request: HttpRequest, scope: Scope) -> Caller:
    """Give who calls, who may do this. Raises Forbidden."""
    caller = identified(request)
    if not caller.may(scope):
        raise Forbidden(scope)
    return caller


def caller_of(request: HttpRequest) -> Caller | None:
    """Give who calls, as soon as that is known; None: nobody who may."""
    return getattr(request, _CALLER, None)


def remaining_of(request: HttpRequest) -> Remaining:
    """Give what is left of the quotas that this request has asked for."""
    found: Remaining = getattr(request, _REMAINING, _NOTHING_ASKED)
    return found


def admit_events(request: HttpRequest, service: str, count: int) -> Remaining:
    """Take so many events from the quotas of their service, before they are scheduled.

    The answer's headers say what is left. Raises QuotaExceeded, and nothing is taken.
    """
    left = quotas.admit_events(service, count, clock.now(config().database))
    both = remaining_of(request) + left
    setattr(request, _REMAINING, both)
    return both


def add_security(description: dict[str, Any]) -> None:
    """Say in an OpenAPI description that a key needs the name of its service beside it.

    django-ninja describes only one header of each way to authenticate.
    """
    schemes = description.get("components", {}).get("securitySchemes", {})
    if ApiKey.__name__ not in schemes:
        return
    schemes["ServiceName"] = {
        "type": "apiKey",
        "in": "header",
        "name": SERVICE_HEADER,
        "description": "The service that the API key was issued for.",
    }
    for path in description.get("paths", {}).values():
        for operation in path.values():
            for way in operation.get("security", ()) if isinstance(operation, dict) else ():
                if ApiKey.__name__ in way:
                    way["ServiceName"] = []


def _admitted(
    request: HttpRequest,
    verify: Callable[[], Caller],
    prefix: str = "",
    is_known: Callable[[], bool] = lambda: False,
) -> Caller:
    """Find out who calls, unless too much that is bad has come from there; and take a request.

    Raises Unauthorized, Throttled, QuotaExceeded.
    """
    address = "address:" + network_of(request.META.get("REMOTE_ADDR", ""))
    rate = _rate(config().bad_keys)
    now = clock.current().monotonic()
    # Who has shown a good key before is heard, though somebody else at the same address guesses.
    if rate and (wait := throttle.wait(address, rate, now)) and not is_known():
        raise Throttled(wait)
    try:
        caller = verify()
    except Unauthorized as error:
        emit("caller.refused", address=address, prefix=prefix, reason=error.reason)
        if rate:
            _count(address, prefix, rate, now)
        raise
    setattr(request, _CALLER, caller)
    left = quotas.admit_request(caller, clock.now(config().database))
    setattr(request, _REMAINING, left)
    return caller


def _as_utf8(header: str) -> str:
    """Read a header as UTF-8, where it is: servers hand its bytes on as Latin-1 (PEP 3333)."""
    try:
        return header.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return header


@lru_cache(maxsize=4)
def _rate(text: str) -> Rate | None:
    return Rate.parse(text) if text else None


def _count(address: str, prefix: str, rate: Rate, now: float) -> None:
    """Count a bad one; raises Throttled where a key is guessed from many addresses at once.

    Only of bad ones: whoever has the key itself is let in, whatever others bring.
    """
    throttle.failed(address, rate, now)
    if not prefix:
        return
    wait = throttle.wait(f"prefix:{prefix}", rate, now)
    throttle.failed(f"prefix:{prefix}", rate, now)
    if wait:
        raise Throttled(wait)
