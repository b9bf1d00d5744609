"""Which service delivers where: DULY["SERVICES"], and beneath it the database's own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from threading import Lock
from typing import Any

from duly import registry as handlers
from duly.conf import Config, config
from duly.encryption import keyring
from duly.errors import ConfigurationError
from duly.policy.encryption import Encryption
from duly.policy.service import HandlerTarget, Service, service_from
from duly.store.services import stored_services
from duly.telemetry import emit

# A row that is added or changed is followed within this.
REFRESH_SECONDS = 5.0


UNREGISTERED = Service(name="")


class Registry:
    """The services, as they were when last looked at."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = Lock()
        self._given: Mapping[str, Service] | None = None
        self._rows: Mapping[str, Any] = {}
        self._services: dict[str, Service | None] = {}
        self._encryptions: dict[str, Encryption | None] = {}
        self._read_at: float | None = None

    def find(self, name: str) -> Service | None:
        """Give a service; one that nobody has registered delivers to handlers.

        None: it cannot be read, and delivers nowhere until somebody has mended it.
        """
        return self._services.get(name, UNREGISTERED)

    def registered(self) -> list[Service]:
        """Give every service that is registered and can be read."""
        return [service for service in self._services.values() if service]

    def refresh(self, settings: Config | None = None) -> None:
        """Read the settings, and the database where that is some time ago.

        settings: as the caller has read them a moment ago; None reads them.
        """
        settings = settings or config()
        with self._lock:
            rows, now = self._rows, self._monotonic()
            if self._read_at is None or now - self._read_at > REFRESH_SECONDS:
                rows = stored_services(settings.database)
                self._read_at = now
            if settings.services is not self._given or rows != self._rows:
                self._given, self._rows = settings.services, rows
                self._services = {**_read(rows), **settings.services}
                self._encryptions = dict(_encryptions(self._services, rows))
            keyring.use(self._encryptions)

    def forget(self) -> None:
        """Read everything anew the next time."""
        with self._lock:
            self._read_at = self._given = None


def _read(rows: Mapping[str, Any]) -> dict[str, Service | None]:
    found: dict[str, Service | None] = {}
    for name, options in rows.items():
        try:
            found[name] = service_from(name, options)
        except ConfigurationError as error:
            # Checked when it was stored: it has been edited by hand, or is another version's.
            found[name] = None
            emit("service.refused", service=name, error=str(error))
    return found


def _encryptions(
    services: Mapping[str, Service | None], rows: Mapping[str, Any]
) -> Iterator[tuple[str, Encryption | None]]:
    """Name the services that encrypt, or have; None for one that may, and cannot be read."""
    for name, service in services.items():
        if service is not None and service.encryption is not None:
            yield name, service.encryption
        elif service is None and "encryption" in rows[name]:
            yield name, None


registry = Registry()
"""Of what schedules; each engine looks for itself."""
keyring.when_missing(registry.refresh)


def require_handler(event_type: str, service: object) -> bool:
    """Say whether a handler of this process has an event type.

    Raises UnknownEventType where none has, unless its service delivers elsewhere.
    """
    if handlers.find(event_type) is not None:
        return True
    registry.refresh()
    found = registry.find(service) if isinstance(service, str) else UNREGISTERED
    if found is not None and isinstance(found.target, HandlerTarget):
        handlers.require(event_type)
    return False
