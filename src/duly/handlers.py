"""Handlers of duly's own events."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from duly import registry
from duly.conf import config
from duly.django_tasks import home
from duly.models import Occurrence
from duly.policy.retry import Retry
from duly.registry import handler
from duly.signals import occurrence_died
from duly.store.deaths import EVENT_TYPE
from duly.store.saga_events import TIMER


@handler(EVENT_TYPE)
def tell_of_a_death(told: registry.Occurrence) -> None:
    """Call the handler's own `on_dead`, and send the signal."""
    rows = Occurrence.objects.using(config().database)
    dead = rows.filter(id=told.payload["occurrence_id"]).first()
    if dead is None:
        return  # Pruned since.
    found = registry.find(dead.event_type)
    if found is not None and found.on_dead is not None:
        found.on_dead(dead)
    occurrence_died.send(sender=Occurrence, occurrence=dead)


@handler(TIMER, retry=Retry(attempts=1000))
def let_a_saga_go_on(timer: registry.Occurrence) -> None:
    """Do nothing: that its time has come moves the saga, in the transaction that records it."""


if find_spec("celery") is not None:
    import_module("duly.celery.sending")

if home.is_there():
    import_module("duly.django_tasks.running")
