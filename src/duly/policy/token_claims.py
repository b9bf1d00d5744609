"""What a bearer token says, once its signature is known to be good: of whom, and for how long."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from duly.policy.scopes import Scope
from duly.policy.service import OWN
from duly.policy.token_options import TokenOptions

LONGEST_SERVICE = 100
LONGEST_SUBJECT = 180
_SCOPES = frozenset(scope.value for scope in Scope)


class BadClaims(ValueError):
    """A claim that is missing, malformed, or does not hold; for the operator's log."""


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whom a token names."""

    subject: str
    service: str
    scopes: frozenset[Scope]


def bearer_of(claims: Mapping[str, Any], options: TokenOptions, now: datetime) -> Bearer:
    """Read the claims of a token.

    claims: signature, `iss` and `aud` have been checked. now: aware.

    Raises BadClaims.
    """
    check_times(claims, options, now.timestamp())
    service = claims.get(options.service_claim)
    if not isinstance(service, str) or not 1 <= len(service) <= LONGEST_SERVICE:
        raise BadClaims(f"{options.service_claim} names no service")
    if not service.isprintable() or service == OWN:
        raise BadClaims(f"{options.service_claim} cannot be printed, or is duly's own")
    subject = claims.get("sub", "")
    if not isinstance(subject, str) or len(subject) > LONGEST_SUBJECT or not subject.isprintable():
        raise BadClaims("sub is no text of at most 180 characters")
    return Bearer(subject or service, service, _scopes(claims.get(options.scope_claim, "")))


def check_times(claims: Mapping[str, Any], options: TokenOptions, now: float) -> None:
    """Check `exp`, `nbf` and `iat` (RFC 7519 4.1), and that the token does not live too long.

    now: seconds since 1970, by the database's clock, which is every process's.

    Raises BadClaims.
    """
    leeway = options.leeway.total_seconds()
    longest = options.longest_lifetime.total_seconds()
    expires = _seconds("exp", claims)
    if expires is None:
        raise BadClaims("exp is missing")
    if expires + leeway <= now:
        raise BadClaims("it has expired")
    for name in ("nbf", "iat"):
        begins = _seconds(name, claims)
        if begins is not None and begins - leeway > now:
            raise BadClaims(f"{name} has not come yet")
    issued = _seconds("iat", claims)
    if expires - now > longest + leeway or (issued is not None and expires - issued > longest):
        raise BadClaims(f"it is valid for longer than {longest:g} s")


def _seconds(name: str, claims: Mapping[str, Any]) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise BadClaims(f"{name} is no number")
    try:
        found = float(value)
    except OverflowError:
        raise BadClaims(f"{name} is no time") from None
    if not math.isfinite(found):
        raise BadClaims(f"{name} is no time")
    return found


def _scopes(given: object) -> frozenset[Scope]:
    names = given.split() if isinstance(given, str) else given
    if not isinstance(names, list):
        raise BadClaims("the scopes are neither text nor a list")
    return frozenset(Scope(name) for name in names if isinstance(name, str) and name in _SCOPES)
