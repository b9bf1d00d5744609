"""duly, seen from a project: its tables, its verbs; and the statements of its store, bare."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import django
from django.core.management import call_command

django.setup()

import duly  # noqa: E402 - Django must be ready
from benchmarks.firing import instants  # noqa: E402
from benchmarks.firing.records import note  # noqa: E402
from duly import At, Every, NewEvent  # noqa: E402
from duly.policy.outcome import Succeeded, decide  # noqa: E402
from duly.policy.retry import Retry  # noqa: E402
from duly.store.backends import open_store  # noqa: E402
from duly.store.rows import Advance, Birth, Claim, DueEvent, Result  # noqa: E402
from duly.store.statements import own_connections  # noqa: E402

AT_ONCE = 10_000
BATCH = 500
LEASE = timedelta(seconds=60)


def create_tables() -> None:
    call_command("migrate", verbosity=0)


def at(due: float) -> At:
    """Give the rule for one instant."""
    return At(datetime.fromtimestamp(due, UTC).replace(tzinfo=None), "UTC")


def schedule(path: str) -> None:
    dues = instants.read(path)
    for first in range(0, len(dues), AT_ONCE):
        duly.schedule_events(NewEvent("firing", at(due)) for due in dues[first : first + AT_ONCE])


def schedule_soon(times: str) -> list[float]:
    """Schedule an event for a second from now, so often, a second apart; gives when each is due."""
    dues = []
    for _ in range(int(times)):
        due = round(time.time() + 1.0, 6)
        duly.schedule_event("firing", at(due))
        dues.append(due)
        time.sleep(1.0)
    return dues


def schedule_recurring(count: str, interval: str, start: str) -> None:
    """Store rules that fire every `interval` seconds, spread evenly over it from `start` on."""
    every = timedelta(seconds=float(interval))
    step = float(interval) / int(count)
    # An interval before the first firing: it is due at anchor + interval.
    anchors = [float(start) - float(interval) + step * index for index in range(int(count))]
    for first in range(0, len(anchors), AT_ONCE):
        duly.schedule_events(
            NewEvent("firing", Every(every, datetime.fromtimestamp(anchor, UTC)))
            for anchor in anchors[first : first + AT_ONCE]
        )


def fire_by_statements() -> None:
    """Begin, handle and finish what is due, until nothing is; then wait to be ended."""
    own_connections()
    store = open_store("default")
    holder = uuid4()
    while claims := store.claim_due(
        now=_now(),
        until=_now(),
        limit=BATCH,
        lease_until=_now() + LEASE,
        holder=holder,
        advance=_begun,
    ).begun:
        for claim in claims:
            note(claim.due_at.timestamp())
        store.finish([_result(claim) for claim in claims], now=_now())
    time.sleep(3600)


def _begun(event: DueEvent) -> Advance:
    return Advance(None, birth=Birth.RUNNING)


def _result(claim: Claim) -> Result:
    decision = decide(Succeeded(), 1, Retry(), _now(), lambda: 0.5)
    return Result(claim.id, claim.event_id, claim.due_at, claim.attempt + 1, decision)


def _now() -> datetime:
    return datetime.now(UTC)
