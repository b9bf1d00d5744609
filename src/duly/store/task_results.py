"""What tasks came to: written as their attempts end, gone once their events are."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef

from duly.encryption import Binding, sealed
from duly.models import ScheduledEvent, TaskResult
from duly.models.fields import EncodedPayload

LARGEST_BATCH = 1000


def add(
    using: str,
    event_id: UUID,
    worker_id: str,
    *,
    service: str,
    return_text: str = "null",
    error: dict[str, str] | None = None,
) -> None:
    """Add what came of one more attempt; `return_text` is JSON, `service` the event's."""
    stored_text = sealed(service, return_text, Binding("task", event_id))
    results = TaskResult.objects.using(using)
    with transaction.atomic(using):
        found = results.filter(event_id=event_id).select_for_update().first()
        errors: list[Any] = [*(found.errors if found else []), *([error] if error else [])]
        worker_ids = [*(found.worker_ids if found else []), worker_id]
        values = {
            "return_value": EncodedPayload(stored_text),
            "errors": errors,
            "worker_ids": worker_ids,
        }
        results.update_or_create(event_id=event_id, defaults=values)


def drop_orphans(using: str) -> int:
    """Delete results whose events have been pruned, a batch of them; gives how many."""
    results = TaskResult.objects.using(using)
    events = ScheduledEvent.objects.using(using).filter(id=OuterRef("event_id"))
    orphans = list(
        results.filter(~Exists(events)).values_list("event_id", flat=True)[:LARGEST_BATCH]
    )
    deleted, _ = results.filter(event_id__in=orphans).delete()
    return deleted
