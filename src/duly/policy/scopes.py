"""Scopes: what a key or a token allows."""

from __future__ import annotations

from enum import StrEnum


class Scope(StrEnum):
    """One thing that a caller may be allowed to do."""

    READ = "read"
    """Look at events, occurrences, the ledger, and rules."""
    SCHEDULE = "schedule"
    """Schedule, change, pause, resume, trigger and backfill events; start and signal sagas;
    keep templates, share calendars, and steer the breaker of the own service."""
    CANCEL = "cancel"
    """Cancel events and sagas, and skip single firings."""
    REPLAY = "replay"
    """Replay dead letters."""
    ADMIN = "admin"
    """All of it, for every service."""
