"""`duly run --once`: until nothing of what was due is left for this engine to do."""

from __future__ import annotations

import queue
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from duly import clock, registry, services
from duly.cli.signals import Signals
from duly.engine.options import EngineOptions
from duly.models import Occurrence, ScheduledEvent
from duly.policy.service import HandlerTarget
from duly.policy.states import OccurrenceStatus
from duly.store.portable import NO_HANDLER
from duly.store.rows import Claim

# How often it asks whether it is done.
LOOK_SECONDS = 0.1
# Who waits so long wants to know for what, and again after as long.
SAY_SECONDS = 5.0

Say = Callable[[str, dict[str, Any]], None]
_Row = tuple[UUID, int, str, str, str]


class Once:
    """Waits for the end of what was due when an engine began.

    What was handed over to a queue is done, as far as this engine is concerned: workers that
    take it run it, whether or not this engine lives.
    """

    def __init__(self, options: EngineOptions, say: Say) -> None:
        self._options = options
        self._say = say
        self._handed: set[tuple[UUID, int]] = set()

    def handed_over(self, claims: Sequence[Claim]) -> None:
        """Take note of claims whose messages are out."""
        self._handed.update((claim.id, claim.attempt) for claim in claims)

    def wait(self, began: datetime, signals: Signals) -> None:
        """Wait until nothing is left of what was due at `began`, or a signal comes."""
        monotonic = clock.current().monotonic
        said_at = monotonic()
        while self._has_work(began):
            if monotonic() - said_at >= SAY_SECONDS:
                said_at = monotonic()
                self._say("engine.waiting", {"for": self._left(began)})
            try:
                signals.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                continue
            return
        if self._handed and (untaken := sum(map(self._is_handed, self._begun(began).iterator()))):
            self._say("engine.handed_over", {"untaken": untaken})

    def _has_work(self, began: datetime) -> bool:
        # In this order: an event moves on in the transaction that its occurrence is born in,
        # so that what is missed by the first question is seen by the second.
        if self._unborn(began).exists():
            return True
        # Among one more than were handed over there is another, if there is one.
        rows = self._begun(began)[: len(self._handed) + 1]
        return not all(map(self._is_handed, rows))

    def _unborn(self, began: datetime) -> QuerySet[ScheduledEvent, ScheduledEvent]:
        return ScheduledEvent.objects.using(self._options.using).filter(next_at__lte=began)

    def _begun(self, began: datetime) -> QuerySet[Occurrence, _Row]:
        using = self._options.using
        ours = Q(holder=self._options.holder) | Q(wake_at__lte=clock.now(using))
        # Woken by this engine's start, and perhaps not yet.
        ours |= Q(reason__startswith=NO_HANDLER, event_type__in=registry.known_types())
        rows = Occurrence.objects.using(using).filter(
            ours, due_at__lte=began, wake_at__isnull=False
        )
        return rows.values_list("id", "attempt", "status", "service", "event_type")

    def _is_handed(self, row: _Row) -> bool:
        id_, attempt, status, _, _ = row
        return status == OccurrenceStatus.QUEUED and (id_, attempt) in self._handed

    def _left(self, began: datetime) -> list[dict[str, Any]]:
        """Say what is left: how many of which type, in which state, and for which target."""
        elsewhere = {
            service.name: str(service.target)
            for service in services.registry.registered()
            if not isinstance(service.target, HandlerTarget)
        }

        def found() -> Iterator[tuple[str, str, str]]:
            for service, event_type in self._unborn(began).values_list("service", "event_type"):
                yield "due", event_type, elsewhere.get(service, "")
            for row in self._begun(began).iterator():
                _, _, status, service, event_type = row
                if not self._is_handed(row):
                    yield status, event_type, elsewhere.get(service, "")

        return [
            {"count": count, "status": status, "event_type": event_type, "target": target}
            for (status, event_type, target), count in sorted(Counter(found()).items())
        ]
