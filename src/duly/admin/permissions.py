"""Who may do what in the admin."""

from __future__ import annotations

from typing import Final

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

SCHEDULE: Final = "duly.schedule_event"
"""Schedule, pause, resume, reschedule, skip, move and cancel events; signal and cancel sagas."""
FIRE: Final = "duly.fire_event"
"""Trigger and backfill."""
REPLAY: Final = "duly.replay_occurrence"
VIEW_PAYLOAD: Final = "duly.view_payload"
OVERRIDE_BREAKER: Final = "duly.override_breaker"

LONGEST_ACTOR = 200


def may(request: HttpRequest, permission: str) -> bool:
    """Say whether the user of a request has a permission."""
    return bool(request.user.has_perm(permission))


def require(request: HttpRequest, *permissions: str) -> None:
    """Raise PermissionDenied, which answers 403, unless the user has all of these."""
    if not request.user.has_perms(permissions):
        raise PermissionDenied


def actor_of(request: HttpRequest) -> str:
    """Give what the ledger calls the user of a request."""
    return f"admin:{request.user.get_username()}"[:LONGEST_ACTOR]
