"""What may be typed into filters, as far as it is known without reading a large table."""

from __future__ import annotations

from duly import registry, services
from duly.conf import config
from duly.models import ScheduledEvent

MOST_SERVICES = 50


def types() -> list[str]:
    """Give the event types that this process has handlers of."""
    return sorted(registry.known_types())


def registered_services() -> list[str]:
    """Give the services of the settings and of the database."""
    services.registry.refresh()
    return sorted({"default", *(one.name for one in services.registry.registered())})


def services_in_use() -> list[str]:
    """Give the services that have events, each by one look into the index that begins with it."""
    found: list[str] = []
    rows = ScheduledEvent.objects.using(config().database).order_by("service")
    while len(found) < MOST_SERVICES:
        beyond = rows.filter(service__gt=found[-1]) if found else rows
        name = beyond.values_list("service", flat=True).first()
        if name is None:
            break
        found.append(name)
    return found
