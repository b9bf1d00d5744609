"""The public keys of an issuer: fetched from its URL, kept a while, and fetched again."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from duly import clock as clocks
from duly.access.refusals import TokenKeysUnavailable
from duly.policy.token_options import TokenOptions
from duly.telemetry import emit

LARGEST_BYTES = 262_144
MOST_KEYS = 100
# An issuer that is away for so long has no say any more.
STALE_SECONDS = 3600.0
_PUBLIC = frozenset({"RSA", "EC"})
_CHUNK = 16_384


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One key of an issuer."""

    key: Any
    """As `jwt.decode` takes it."""
    algorithm: str | None
    """The one that it is for; None: any that fits it."""


class Jwks:
    """The keys of one URL; threads share them, and one of them fetches."""

    def __init__(self, options: TokenOptions) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._keys: Mapping[str, PublicKey] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None

    def find(self, kid: str | None) -> PublicKey | None:
        """Give the key of this id; where there is but one key, a token need not name it.

        A key that is not known is looked for once more, at most every `jwks_refetch`; None:
        the issuer has none of that id. Raises TokenKeysUnavailable where it does not answer
        and no keys of the last hour are there.
        """
        if self._age() > self._options.jwks_max_age.total_seconds():
            self._refresh()
        found = self._of(kid)
        if found is None and self._refresh():
            found = self._of(kid)
        if self._age() > STALE_SECONDS:
            raise TokenKeysUnavailable("the issuer's keys cannot be fetched; try again later")
        return found

    def _of(self, kid: str | None) -> PublicKey | None:
        keys = self._keys
        if kid is None:
            return next(iter(keys.values())) if len(keys) == 1 else None
        return keys.get(kid)

    def _age(self) -> float:
        at = self._fetched_at
        return float("inf") if at is None else clocks.current().monotonic() - at

    def _refresh(self) -> bool:
        """Fetch, unless that was tried just before; says whether the keys are new."""
        before = self._fetched_at
        # Who finds another one fetching waits for what it brings, and no longer.
        if not self._lock.acquire(timeout=self._options.jwks_timeout.total_seconds()):
            return False
        try:
            if self._fetched_at != before:
                return True
            now = clocks.current().monotonic()
            wait = self._options.jwks_refetch.total_seconds()
            if self._tried_at is not None and now - self._tried_at < wait:
                return False
            self._tried_at = now
            self._keys = fetch(self._options)
            self._fetched_at = clocks.current().monotonic()
            return True
        except (OSError, HTTPException, ValueError, RecursionError) as error:
            emit("token_keys.unavailable", url=self._options.jwks_url, error=f"{error!r:.200}")
            return False
        finally:
            self._lock.release()


def fetch(options: TokenOptions) -> dict[str, PublicKey]:
    """Fetch the public keys, by their ids; redirects and proxies play no part.

    Raises OSError, HTTPException or ValueError, RecursionError for what is no set of keys.
    """
    seconds = options.jwks_timeout.total_seconds()
    ends_at = clocks.current().monotonic() + seconds
    parts = urlsplit(options.jwks_url)
    host = parts.hostname or ""
    connection = (
        HTTPSConnection(host, parts.port, timeout=seconds, context=ssl.create_default_context())
        if parts.scheme == "https"
        else HTTPConnection(host, parts.port, timeout=seconds)
    )
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", path, headers={"Accept": "application/json"})
        response = connection.getresponse()
        if response.status != 200:
            raise ValueError(f"it answered {response.status}")
        body = _read(response, ends_at)
    finally:
        connection.close()
    return _keys_in(json.loads(body))


def _read(response: HTTPResponse, ends_at: float) -> bytes:
    body = b""
    while chunk := response.read1(_CHUNK):
        body += chunk
        if len(body) > LARGEST_BYTES:
            raise ValueError(f"it is larger than {LARGEST_BYTES} bytes")
        if clocks.current().monotonic() > ends_at:
            raise TimeoutError("it did not end in time")
    return body


def _keys_in(data: object) -> dict[str, PublicKey]:
    from jwt import PyJWK
    from jwt.exceptions import PyJWTError

    given = data.get("keys") if isinstance(data, dict) else None
    if not isinstance(given, list) or len(given) > MOST_KEYS:
        raise ValueError(f"it is no JWK set of at most {MOST_KEYS} keys")
    found: dict[str, PublicKey] = {}
    for place, one in enumerate(given):
        # A secret that is published would let anybody sign.
        if not isinstance(one, dict) or one.get("kty") not in _PUBLIC or "d" in one:
            continue
        if one.get("use", "sig") != "sig":
            continue
        try:
            key = PyJWK.from_dict(one).key
            found[str(one.get("kid", f"#{place}"))] = PublicKey(key, one.get("alg"))
        except (PyJWTError, ValueError, TypeError):
            continue
    if not found:
        raise ValueError("it holds no key that signs")
    return found
