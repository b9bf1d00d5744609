"""Bearer tokens: JSON Web Tokens of an issuer that the settings name."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import Any

from django.views.decorators.debug import sensitive_variables

from duly import clock
from duly.access.caller import Caller
from duly.access.jwks import Jwks
from duly.access.refusals import Unauthorized
from duly.conf import config
from duly.errors import ConfigurationError
from duly.policy.secret_values import reveal
from duly.policy.token_claims import BadClaims, bearer_of
from duly.policy.token_options import TokenOptions, check_secret

CHALLENGE = 'Bearer realm="duly", error="invalid_token"'
LONGEST_BYTES = 8192


@sensitive_variables()
def verify_token(token: str) -> Caller:
    """Say whose token this is.

    The algorithm is one of the settings', whatever the token says; `exp` is needed.

    Raises Unauthorized, in the same words whatever is wrong; TokenKeysUnavailable where the
    issuer's keys cannot be had; ConfigurationError for a secret that is not set.
    """
    options = config().jwt
    if options is None:
        raise _refused("DULY['JWT'] is not set")
    if len(token) > LONGEST_BYTES:
        raise _refused(f"it is longer than {LONGEST_BYTES} bytes")
    claims = _claims(token, options)
    try:
        bearer = bearer_of(claims, options, clock.now(config().database))
    except BadClaims as error:
        raise _refused(str(error)) from None
    return Caller(actor=f"jwt:{bearer.subject}", service=bearer.service, scopes=bearer.scopes)


def check_keys(options: TokenOptions) -> None:
    """Say at the start what could not work: no PyJWT, a key that is none.

    Raises ConfigurationError; a secret that is to be read from a variable may come later.
    """
    try:
        import jwt
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ImportError:
        raise ConfigurationError("bearer tokens need PyJWT: pip install 'duly[api]'") from None
    if isinstance(options.public_key, str):
        try:
            load_pem_public_key(options.public_key.encode())
            for name in options.algorithms:
                algorithm = jwt.get_algorithm_by_name(name)
                algorithm.prepare_key(options.public_key)
        except (ValueError, TypeError, jwt.PyJWTError) as error:
            raise ConfigurationError(
                f"public_key must be a public key in PEM that fits algorithms: {error}"
            ) from None


@sensitive_variables()
def _claims(token: str, options: TokenOptions) -> Mapping[str, Any]:
    """Check signature, issuer and audience; gives what the token says."""
    import jwt

    broken = (jwt.PyJWTError, ValueError, TypeError, RecursionError)
    try:
        header = jwt.get_unverified_header(token)
    except broken as error:
        raise _refused(type(error).__name__) from None
    algorithm = header.get("alg")
    if algorithm not in options.algorithms:
        raise _refused("its algorithm is not one of the settings'")
    key = _key(options, header)
    try:
        claims: Mapping[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=options.audience,
            issuer=options.issuer,
            options={
                "require": ["exp", "iss", "aud"],
                # Judged by the database's clock, see `check_times`.
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "enforce_minimum_key_length": True,
            },
        )
    except broken as error:
        raise _refused(type(error).__name__) from None
    return claims


@sensitive_variables()
def _key(options: TokenOptions, header: Mapping[str, Any]) -> Any:
    if options.jwks_url:
        return _published(options, header)
    name = "secret" if options.is_symmetric else "public_key"
    value = options.secret if options.is_symmetric else options.public_key
    assert value is not None
    key = reveal(f"DULY['JWT'] {name}", value, os.environ)
    if options.is_symmetric:
        check_secret(key, options.least_secret_bytes)
    return key


def _published(options: TokenOptions, header: Mapping[str, Any]) -> Any:
    kid = header.get("kid")
    if kid is not None and not isinstance(kid, str):
        raise _refused("its kid is no text")
    found = _jwks_of(options).find(kid)
    if found is None:
        raise _refused("the issuer has no such key")
    if found.algorithm not in (None, header.get("alg")):
        raise _refused("its key is for another algorithm")
    return found.key


_sets: dict[TokenOptions, Jwks] = {}
_sets_lock = threading.Lock()


def _jwks_of(options: TokenOptions) -> Jwks:
    with _sets_lock:
        if options not in _sets:
            # Other settings, other keys; the last ones are not asked for any more.
            _sets.clear()
            _sets[options] = Jwks(options)
        return _sets[options]


def _refused(reason: str) -> Unauthorized:
    return Unauthorized("the bearer token is not valid", reason=reason, challenge=CHALLENGE)
