"""The registry of a process: what it counts, and what is so in its database."""

from __future__ import annotations

import os
import threading

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector

from duly.engine.loop import Engine
from duly.exporters.counted import Counted
from duly.exporters.scrapes import Scrapes
from duly.exporters.state import State

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


class Metrics:
    """The registry of one process. `close` ends its listening to telemetry.

    Where PROMETHEUS_MULTIPROC_DIR is set, what is counted is that of all processes which share
    that folder; its users must have set it before they import prometheus_client.

    using: alias of the database; None reads it in the settings when somebody looks.
    engine: the engine of this process; None where none is to run here.
    named: whether event types and gates are told by their names, rather than counted.
    """

    def __init__(
        self, using: str | None, engine: Engine | None = None, *, named: bool = False
    ) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        is_shared = bool(os.environ.get(_FOLDER))
        counted = CollectorRegistry(auto_describe=False) if is_shared else self.registry
        self.close = Counted(counted, named=named).close
        if is_shared:
            MultiProcessCollector(self.registry)  # type: ignore[no-untyped-call]
        self._state = State(using, engine, named=named)
        self.registry.register(self._state)

    def runs(self, engine: Engine) -> None:
        """Tell of the engine that this process runs."""
        self._state.engine = engine

    def expose(self, accept: str = "") -> tuple[bytes, str]:
        """Give the metrics as text, in a format that `accept` asks for, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type


_lock = threading.Lock()
_shared: Metrics | None = None


def shared() -> Metrics:
    """Give this process its one registry, which counts from when it is first asked for."""
    global _shared
    with _lock:
        if _shared is None:
            _shared = Metrics(None, named=True)
        return _shared


def serve(host: str = "127.0.0.1", port: int = 9464) -> Scrapes:
    """Answer scrapes of `/metrics` from a thread of this process, until it ends or `close`.

    port: 0 takes a free one. Raises AddressTaken.
    """
    return Scrapes(host, port, shared().expose)
