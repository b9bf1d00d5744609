"""Which engines there are: each says so itself, every few seconds."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import QuerySet

from duly.models import Engine
from duly.store.turns import transaction_in_turn

BEAT = timedelta(seconds=10)
"""An engine is heard of this often."""
ALIVE_WITHIN = timedelta(seconds=35)
"""Three beats, and what a busy database makes them late by."""
FORGET_AFTER = timedelta(days=1)
# What a beat may say anew.
_CHANGING = ("beat_at", "clock_offset", "running", "held", "stopping_at", "tzdata_release")


def beat(using: str, engine: Engine) -> None:
    """Write down what an engine says of itself: one small statement.

    One that is not there is put there: at the start of the engine, and where it was forgotten
    because its process had stood still for a day. Raises django.db.Error.
    """
    row = Engine.objects.using(using).filter(holder=engine.holder)
    with transaction_in_turn(using):
        if not row.update(**{name: getattr(engine, name) for name in _CHANGING}):
            engine.save(using=using, force_insert=True)


def alive(using: str, now: datetime) -> list[Engine]:
    """Give the engines that were heard of lately, those that are stopping too; the oldest first.

    now: the database's present instant.
    """
    return list(_heard_of_since(using, now - ALIVE_WITHIN))


def is_firing(using: str, now: datetime) -> bool:
    """Say whether there is an engine that is alive and claims what is due."""
    return _heard_of_since(using, now - ALIVE_WITHIN).filter(stopping_at__isnull=True).exists()


def lost(using: str, now: datetime) -> list[Engine]:
    """Give the engines that are heard of no more, and never said that they would stop.

    Those of the last day, the latest to fall silent first.
    """
    rows = Engine.objects.using(using).filter(beat_at__lt=now - ALIVE_WITHIN)
    return list(rows.filter(stopping_at__isnull=True).order_by("-beat_at"))


def forget_dead(using: str, now: datetime) -> int:
    """Remove engines that were not heard of for a day; gives how many."""
    dead = Engine.objects.using(using).filter(beat_at__lt=now - FORGET_AFTER)
    with transaction_in_turn(using):
        return dead.delete()[0]


def _heard_of_since(using: str, since: datetime) -> QuerySet[Engine, Engine]:
    return Engine.objects.using(using).filter(beat_at__gte=since).order_by("started_at", "holder")
