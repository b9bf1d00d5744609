"""What a target is sent: one occurrence as JSON, signed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from duly import __version__, tracing
from duly.policy.http_target import HttpTarget
from duly.registry import Occurrence
from duly.webhooks import sign

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_to_text = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A POST, ready to be sent. It shows nothing of itself: error reports print variables."""

    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    hidden: tuple[str, ...] = field(repr=False)
    """What of it must not be shown where an answer repeats it."""


def request_of(
    target: HttpTarget, occurrence: Occurrence, now: datetime, environment: Mapping[str, str]
) -> HttpRequest:
    """Write down an occurrence, and sign it with each secret of the target.

    now: when it is sent; whole seconds of it are signed. environment: where secrets are.

    Raises ConfigurationError for one that is not set.
    """
    secrets, extra = target.signing_secrets(environment), target.extra_headers(environment)
    body = _to_text(_data(occurrence)).encode()
    message_id, timestamp = message_id_of(occurrence), int(now.timestamp())
    signatures = [sign(secret, message_id, timestamp, body) for secret in secrets]
    headers = {
        "content-type": "application/json",
        "user-agent": f"duly/{__version__}",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
        "idempotency-key": occurrence.idempotency_key,
        "duly-attempt": str(occurrence.attempt),
        "duly-due-at": occurrence.due_at.isoformat(),
        "duly-local-time": occurrence.local.isoformat(),
    }
    headers |= tracing.carrier()
    return HttpRequest(extra | headers, body, (*secrets, *extra.values(), *signatures))


def message_id_of(occurrence: Occurrence) -> str:
    """Say event and due instant as `idempotency_key` does, without the full stops that part
    what is signed: the same for every attempt."""
    return f"{occurrence.event_id}_{(occurrence.due_at - _EPOCH) // _TICK}"


def _data(occurrence: Occurrence) -> dict[str, Any]:
    return {
        "id": str(occurrence.id),
        "event_id": str(occurrence.event_id),
        "event_type": occurrence.event_type,
        "service": occurrence.service,
        "key": occurrence.key,
        "entity_type": occurrence.entity_type,
        "entity_id": occurrence.entity_id,
        "payload": occurrence.payload,
        "due_at": occurrence.due_at.isoformat(),
        "local_time": occurrence.local.isoformat(),
        "timezone": str(occurrence.local.tzinfo),
        "wall_time": occurrence.wall_time.isoformat(),
        "user_timezone": occurrence.user_timezone,
        "resource_timezone": occurrence.resource_timezone,
        "attempt": occurrence.attempt,
        "idempotency_key": occurrence.idempotency_key,
    }
