"""Webhooks, signed and verified after the Standard Webhooks specification.

For both sides: duly signs what an HTTP target is sent, and the service behind it verifies
that, in any framework. Nothing here needs Django.

Source: Standard Webhooks 1.0.0, symmetric signatures ("v1").
"""

from __future__ import annotations

import binascii
import hmac
import json
import re
import secrets as randomness
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from duly.errors import ConfigurationError, InvalidPayload, InvalidSignature

PREFIX = "whsec_"
# The specification's bounds, in bytes of the key.
SHORTEST_KEY = 24
LONGEST_KEY = 64
TOLERANCE = timedelta(minutes=5)
_NEW_KEY = 32
_VERSION = "v1"
_SECONDS = re.compile(r"[0-9]{1,12}")
_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")


def new_secret() -> str:
    """Make a secret: "whsec_" and 32 random bytes in base64."""
    return PREFIX + b64encode(randomness.token_bytes(_NEW_KEY)).decode("ascii")


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Give one signature, "v1,…", as the header `webhook-signature` holds it.

    secret: "whsec_" and a key of 24 to 64 bytes in base64; the prefix may be left out.
    message_id: the header `webhook-id`; without a full stop, which parts what is signed.
    timestamp: the header `webhook-timestamp`: when it is sent, in seconds since 1970.

    Raises ConfigurationError for a secret or an id that cannot work.
    """
    if not message_id or "." in message_id:
        raise ConfigurationError(f"a message id is text without a full stop, got {message_id!r}")
    signature = _signature(key_of(secret), message_id, str(timestamp), body)
    return f"{_VERSION},{b64encode(signature).decode('ascii')}"


def verify(
    body: bytes,
    headers: Mapping[str, str],
    secrets: str | Iterable[str],
    *,
    tolerance: timedelta = TOLERANCE,
    now: datetime | None = None,
) -> Any:
    """Give the JSON of a request, once it is certain that its sender knows the secret.

    body: the request's body, byte for byte as it came: not parsed and written again.
    headers: the request's headers, in whatever case.
    secrets: one, or several during a rotation: any of them may have signed.
    tolerance: how far `webhook-timestamp` may be from `now`, either way.
    now: an aware instant; None reads this host's clock.

    Whoever recorded a request can send it again within the tolerance, and a sender repeats
    what it got no answer to: keep the `webhook-id` of what was done, and do it once.

    Raises InvalidSignature: answer 401. Raises InvalidPayload for a body that was signed and
    is not JSON, ConfigurationError for a secret that cannot work.
    """
    keys = [key_of(secret) for secret in ([secrets] if isinstance(secrets, str) else secrets)]
    if not keys:
        raise ConfigurationError("verify needs at least one secret, got none")
    message_id, timestamp, signatures = _wanted(headers)
    _check_age(timestamp, now or datetime.now(UTC), tolerance)
    expected = [_signature(key, message_id, timestamp, body) for key in keys]
    found = list(_decoded(signatures))
    # Each with each: the time it takes must not tell which one was near.
    matches = [hmac.compare_digest(one, other) for one in expected for other in found]
    if not any(matches):
        raise InvalidSignature(
            "no signature matches: another secret signed it, or the body was changed on its way "
            "(verify the bytes as they came, before anything parses them)"
        )
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidPayload(f"the signed body is not JSON: {error}") from None


def key_of(secret: str) -> bytes:
    """Give the bytes of a secret. Raises ConfigurationError, which does not repeat it."""
    text = secret.removeprefix(PREFIX)
    try:
        # Padding is often lost when a secret is copied, and says nothing.
        key = b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ConfigurationError(
            "a webhook secret is 'whsec_' and base64, and this one is not; "
            "duly.webhooks.new_secret() makes one"
        ) from None
    if not SHORTEST_KEY <= len(key) <= LONGEST_KEY:
        raise ConfigurationError(
            f"a webhook secret must hold {SHORTEST_KEY} to {LONGEST_KEY} bytes, this one holds "
            f"{len(key)}; duly.webhooks.new_secret() makes one"
        )
    return key


def _signature(key: bytes, message_id: str, timestamp: str, body: bytes) -> bytes:
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    return hmac.digest(key, signed, "sha256")


def _wanted(headers: Mapping[str, str]) -> tuple[str, str, str]:
    lower = {name.lower(): value for name, value in headers.items()}
    for name in _HEADERS:
        if not lower.get(name):
            raise InvalidSignature(f"the request has no header {name!r}: it is not a webhook")
    message_id, timestamp, signatures = (lower[name] for name in _HEADERS)
    return message_id, timestamp, signatures


def _check_age(timestamp: str, now: datetime, tolerance: timedelta) -> None:
    if not _SECONDS.fullmatch(timestamp):
        raise InvalidSignature(
            f"webhook-timestamp must be whole seconds since 1970, got {timestamp!r:.40}"
        )
    age = now.timestamp() - int(timestamp)
    if abs(age) > tolerance.total_seconds():
        when = "old" if age > 0 else "ahead of this host's clock"
        raise InvalidSignature(
            f"webhook-timestamp {timestamp} is {abs(age):.0f} s {when}, more than the "
            f"{tolerance.total_seconds():g} s allowed: a repeated request, or a clock that is off"
        )


def _decoded(signatures: str) -> Iterator[bytes]:
    """Give the signatures of the version that is known; others stand beside it in the header."""
    for part in signatures.split(" "):
        version, _, text = part.partition(",")
        if version == _VERSION:
            try:
                yield b64decode(text, validate=True)
            except (binascii.Error, ValueError):
                continue
