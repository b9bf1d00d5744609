"""Recover: an attempt whose lease ran out is recorded as lost."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime

from duly.engine.failures import tell_failure
from duly.engine.routes import Routes
from duly.policy.outcome import Decision, LeaseLost, decide
from duly.store.contract import Store
from duly.store.rows import Expired
from duly.telemetry import Ended, Later, emit

LARGEST_BATCH = 200


def rescue(store: Store, routes: Routes, now: datetime, since: datetime | None = None) -> int:
    """End the attempts whose lease ran out by `now`, a batch of them; retries follow by policy.

    since: looks from there on; see `duly.store.contract`.
    """

    lost: list[tuple[Expired, Decision]] = []

    def decide_lost(expired: Expired) -> Decision:
        retry = routes.retry(expired.service, expired.event_type, expired.handling)
        counted = expired.attempt - expired.forgiven
        decision = decide(LeaseLost(), counted, retry, now, random.random)
        lost.append((expired, decision))
        return decision

    rescued = store.rescue_expired(now=now, limit=LARGEST_BATCH, decide=decide_lost, since=since)
    if rescued:
        emit("occurrences.rescued", count=rescued, ended=Later(lambda: _told(lost)))
        for expired, decision in lost:
            tell_failure(expired.event_type, expired, decision)
    return rescued


def _told(lost: Sequence[tuple[Expired, Decision]]) -> list[Ended]:
    return [Ended(expired.event_type, decision.fact, None) for expired, decision in lost]
