"""Logs as JSON, one object a line, each with the attempt and the trace that it was written in."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from duly import tracing

# What telemetry adds to a record; see `duly.telemetry.emit`.
FIELDS = "duly_fields"
# Of one that is endless, such as a recursion's, the end tells more than the middle.
LONGEST_EXCEPTION = 16_000


class JsonFormatter(logging.Formatter):
    """Formats a record of the standard library's logging as one line of JSON.

    | name | always | is |
    |---|---|---|
    | timestamp | yes | RFC 3339, UTC, microseconds |
    | level, logger, message | yes | text |
    | event_id, occurrence_id, attempt, event_type, service | while an attempt runs | of that one |
    | event_type, service, batch | while a batch runs | of its first, and how many they are |
    | trace_id, span_id | in a span | hexadecimal, as OpenTelemetry writes them |
    | exception | with one | class, message and traceback, as text of one line |
    | fields | from duly itself | those of `duly.telemetry` |

    Whatever a message holds, a record stays one line: JSON escapes what would break it. A
    record that cannot be formatted is told as such; nothing is raised.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Give the line, without its end."""
        found: dict[str, Any] = {
            "timestamp": _rfc3339(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record),
        }
        found |= _attempt()
        found |= _span()
        if record.exc_info and record.exc_info[1] is not None:
            found["exception"] = _exception(record.exc_info[1])
        elif record.exc_text:
            found["exception"] = record.exc_text
        if record.stack_info:
            found["stack"] = record.stack_info
        if isinstance(fields := getattr(record, FIELDS, None), Mapping):
            found["fields"] = {str(name): _plain(value) for name, value in fields.items()}
        # ASCII alone: U+2028 and its like end a line for some who read it.
        return json.dumps(found, ensure_ascii=True)


def write_json(logger: logging.Logger | None = None) -> None:
    """Let what writes the log, and the log of duly, write JSON; to stderr where nothing does.

    logger: None is the root.
    """
    root = logger or logging.getLogger()
    own = logging.getLogger("duly")
    if not root.handlers and not own.handlers:
        root.addHandler(logging.StreamHandler(sys.stderr))
    for handler in (*root.handlers, *own.handlers):
        handler.setFormatter(JsonFormatter())


def _rfc3339(seconds: float) -> str:
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")
    return text.replace("+00:00", "Z")


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:
        # Not its arguments: they are what could not be printed.
        return f"{record.msg!s} ({type(error).__name__} when it was formatted)"


def _attempt() -> dict[str, Any]:
    attempts = tracing.running()
    if not attempts:
        return {}
    claim = attempts[0].claim
    found: dict[str, Any] = {"event_type": claim.event_type, "service": claim.service}
    if len(attempts) > 1:
        return found | {"batch": len(attempts)}
    return found | {
        "event_id": str(claim.event_id),
        "occurrence_id": str(claim.id),
        "attempt": attempts[0].number,
    }


def _span() -> dict[str, str]:
    # Where nothing has imported it, no span can be active.
    api = sys.modules.get("opentelemetry.trace")
    if api is None:
        return {}
    try:
        context = api.get_current_span().get_span_context()
        if not context.is_valid:
            return {}
        return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
    except Exception:
        return {}


def _exception(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))[-LONGEST_EXCEPTION:].rstrip()


def _plain(value: object) -> object:
    return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)
