"""What a user is shown of a payload: all of it, what a hook lets through, or nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from duly import redaction
from duly.admin import permissions
from duly.errors import UnreadablePayload

LONGEST = 20_000


@dataclass(frozen=True, slots=True)
class Shown:
    """A payload on a page."""

    text: str
    """As JSON; empty: nothing is shown."""
    why: str = ""
    """Why not all of it is."""


def payload_shown(request: HttpRequest, row: Any) -> Shown:
    """Show the payload of an event or an occurrence."""
    return _shown(request, row, "payload", redaction.shown_payload)


def context_shown(request: HttpRequest, row: Any) -> Shown:
    """Show the context of a saga."""
    return _shown(request, row, "context", redaction.shown_context)


def _shown(request: HttpRequest, row: Any, name: str, redacted: Any) -> Shown:
    if permissions.may(request, permissions.VIEW_PAYLOAD):
        try:
            return Shown(_text(getattr(row, name)))
        except UnreadablePayload as error:
            return Shown("", str(error))
    why = "You may not see it whole: that needs the permission duly.view_payload."
    # Without a hook nobody has said what of it may be shown.
    return Shown(_text(redacted(row)) if redaction.redact_hook() else "", why)


def _text(value: Any) -> str:
    if value is None:
        return ""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}\n… cut at {LONGEST:,} characters"
