"""Recover: an attempt whose lease ran out is recorded as lost."""

from __future__ import annotations

import random
from datetime import datetime

from duly import registry
from duly.policy.handling import retry_of
from duly.policy.outcome import Decision, LeaseLost, decide
from duly.policy.retry import Retry
from duly.store.contract import Store
from duly.store.rows import Expired
from duly.telemetry import emit

LARGEST_BATCH = 200


def rescue(store: Store, now: datetime, since: datetime | None = None) -> int:
    """End the attempts whose lease ran out by `now`, a batch of them; retries follow by policy.

    since: looks from there on; see `duly.store.contract`.
    """

    def decide_lost(expired: Expired) -> Decision:
        found = registry.find(expired.event_type)
        # Rescued by an engine that does not know the type: the default policy will do.
        retry = retry_of(expired.handling, found.retry if found else Retry())
        counted = expired.attempt - expired.forgiven
        return decide(LeaseLost(), counted, retry, now, random.random)

    rescued = store.rescue_expired(now=now, limit=LARGEST_BATCH, decide=decide_lost, since=since)
    if rescued:
        emit("occurrences.rescued", count=rescued)
    return rescued
