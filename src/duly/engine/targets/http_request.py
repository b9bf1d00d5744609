"""What a target is sent: one occurrence as JSON, signed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from duly import __version__
from duly.registry import Occurrence
from duly.webhooks import sign

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_to_text = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A POST, ready to be sent."""

    headers: dict[str, str]
    body: bytes


def request_of(occurrence: Occurrence, secrets: Sequence[str], now: datetime) -> HttpRequest:
    """Write down an occurrence, and sign it with each secret.

    now: when it is sent; whole seconds of it are signed.
    """
    body = _to_text(_data(occurrence)).encode()
    message_id, timestamp = message_id_of(occurrence), int(now.timestamp())
    headers = {
        "content-type": "application/json",
        "user-agent": f"duly/{__version__}",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(
            sign(secret, message_id, timestamp, body) for secret in secrets
        ),
        "idempotency-key": occurrence.idempotency_key,
        "duly-attempt": str(occurrence.attempt),
        "duly-due-at": occurrence.due_at.isoformat(),
        "duly-local-time": occurrence.local.isoformat(),
    }
    return HttpRequest(headers, body)


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
