"""Stamps: what a database as a whole is at."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from duly.models import Stamp

ENVIRONMENT = "environment"
TZDATA = "tzdata"
PRUNED = "pruned"
NOTIFIED = "notified"
FIRST_ADMIN = "first_admin"
FIRST_KEY = "first_key"


def read(using: str, name: str) -> dict[str, Any] | None:
    """Give a stamp's data; None where it was never set."""
    found = Stamp.objects.using(using).filter(name=name).values_list("data", flat=True).first()
    return None if found is None else dict(found)


def write(using: str, name: str, data: dict[str, Any], now: datetime) -> None:
    """Set a stamp."""
    Stamp.objects.using(using).update_or_create(name=name, defaults={"data": data, "at": now})


def write_once(using: str, name: str, data: dict[str, Any], now: datetime) -> bool:
    """Set a stamp that is not there yet; False where it is, or another process sets it."""
    defaults = {"data": data, "at": now}
    _, created = Stamp.objects.using(using).get_or_create(name=name, defaults=defaults)
    return created
