"""What people are shown of payloads: by default all of a plain one, and nothing of another.

Who may see one whole reads it from its row: `event.payload`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils.module_loading import import_string

from duly import services
from duly.conf import config
from duly.errors import ConfigurationError, UnreadablePayload
from duly.models import Occurrence, Saga, ScheduledEvent
from duly.models.fields import is_hidden
from duly.models.saga import SagaStep
from duly.policy.hiding import HIDDEN
from duly.telemetry import emit

Redact = Callable[[str, Any], Any]
"""Takes the event type, or the name of the saga, and the payload; gives what may be shown of it."""


def shown_payload(row: ScheduledEvent | Occurrence) -> Any:
    """Give what may be shown of a payload to whoever may not see it whole."""
    return _shown(row, "payload", row.event_type)


def shown_context(row: Saga | SagaStep) -> Any:
    """Give what may be shown of the context of a saga, or of what a step has added to it."""
    if isinstance(row, SagaStep):
        return _shown(row, "result", row.saga.name)
    return _shown(row, "context", row.name)


def redact_hook() -> Redact | None:
    """Give DULY["REDACT"]; None where there is none. Raises ConfigurationError."""
    path = config().redact
    if not path:
        return None
    try:
        found = import_string(path)
    except ImportError as error:
        raise ConfigurationError(f"DULY['REDACT'] cannot be imported: {error}") from None
    if not callable(found):
        raise ConfigurationError(
            f"DULY['REDACT'] must name a callable of (event_type, payload), got {path!r:.120}"
        )
    hook: Redact = found
    return hook


def _shown(row: Any, name: str, event_type: str) -> Any:
    services.registry.refresh()
    hook = redact_hook()
    if hook is None:
        return HIDDEN if is_hidden(row, name) else getattr(row, name)
    try:
        return hook(event_type, getattr(row, name))
    except UnreadablePayload:
        return HIDDEN
    except Exception as error:
        # Of what could not be redacted nothing is shown, and nothing told: not its message.
        emit("redaction.failed", event_type=event_type, error=type(error).__name__)
        return HIDDEN
