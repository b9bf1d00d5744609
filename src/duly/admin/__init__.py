"""duly in Django's admin: found by its autodiscovery, on the default site.

On a site of your own: `for model, admin in duly.admin.PAGES.items(): site.register(model, admin)`.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.db.models import Model

from duly.admin.events import EventAdmin
from duly.admin.gates import GateAdmin
from duly.admin.ledger import LedgerAdmin
from duly.admin.occurrences import DeadLetterAdmin, OccurrenceAdmin
from duly.admin.sagas import SagaAdmin
from duly.admin.services import ServiceAdmin
from duly.models import (
    DeadLetter,
    Gate,
    LedgerEntry,
    Occurrence,
    Saga,
    ScheduledEvent,
    Service,
)

PAGES: dict[type[Model], type[ModelAdmin[Any]]] = {
    ScheduledEvent: EventAdmin,
    Occurrence: OccurrenceAdmin,
    DeadLetter: DeadLetterAdmin,
    Service: ServiceAdmin,
    Gate: GateAdmin,
    Saga: SagaAdmin,
    LedgerEntry: LedgerAdmin,
}

for _model, _page in PAGES.items():
    admin.site.register(_model, _page)
