"""Statements on event templates."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from duly.ids import new_id
from duly.models import EventTemplate


def find(using: str, service: str, name: str) -> EventTemplate | None:
    """Find a template by its name within a service."""
    return _rows(using).filter(service=service, name=name).first()


def lock(using: str, service: str, name: str) -> EventTemplate | None:
    """Find it, and lock it until the transaction ends."""
    return _rows(using).select_for_update().filter(service=service, name=name).first()


def page(using: str, service: str | None, past: tuple[str, str], limit: int) -> list[EventTemplate]:
    """List templates by service and name, from beyond a place on.

    service: whose; None: everybody's. past: the service and the name of the last one seen.
    """
    rows = _rows(using)
    if service is not None:
        rows = rows.filter(service=service)
    beyond = Q(service__gt=past[0]) | Q(service=past[0], name__gt=past[1])
    return list(rows.filter(beyond).order_by("service", "name")[:limit])


def create(
    using: str, service: str, name: str, content: Mapping[str, Any], now: datetime
) -> EventTemplate | None:
    """Store a template; None where the service has one of this name."""
    template = EventTemplate(
        id=new_id(now), service=service, name=name, created_at=now, updated_at=now, **content
    )
    try:
        with transaction.atomic(using):
            template.save(using=using, force_insert=True)
    except IntegrityError:
        if find(using, service, name) is None:
            raise
        return None
    return template


def replace(using: str, locked: EventTemplate, content: Mapping[str, Any], now: datetime) -> None:
    """Let a locked template say something else from now on."""
    for name, value in content.items():
        setattr(locked, name, value)
    locked.version += 1
    locked.updated_at = now
    locked.save(using=using)


def _rows(using: str) -> QuerySet[EventTemplate, EventTemplate]:
    return EventTemplate.objects.using(using).all()
