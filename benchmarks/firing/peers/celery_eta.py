"""Celery with an ETA, on Redis: the worker fetches every message and holds it in memory."""

from __future__ import annotations

from typing import ClassVar

from benchmarks.firing.peers.celery_queue import CeleryQueue


class CeleryEta(CeleryQueue):
    """`apply_async(eta=…)`; Redis hands a message out again after its visibility timeout (1 h)."""

    name = "celery-eta"
    packages: ClassVar[tuple[str, ...]] = ()
    configured = "as celery, with eta="
    most = 5_000
    seconds_to_store = 0.001
