"""duly with Celery's workers: the engine hands over, and two children run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import ClassVar

from benchmarks.firing.peers.celery_queue import worker
from benchmarks.firing.peers.duly_engine import DulyEngine
from benchmarks.firing.place import Place

HANDLERS = "benchmarks.firing.peers.apps.duly_handlers"
APP = "benchmarks.firing.peers.apps.duly_celery_app"
SERVICES = {"default": {"target": "celery", "queue": "duly"}}


class DulyCelery(DulyEngine):
    """One `duly run` whose service delivers to a queue, and the worker of bare Celery on it."""

    name = "duly-celery"
    needs: ClassVar[tuple[str, ...]] = ("psycopg", "celery", "redis")
    needs_redis = True
    configured = "one `duly run`, its service's target a queue; a worker as celery, on it"

    def __init__(self, place: Place, options: Sequence[str] = ()) -> None:
        super().__init__(place, options)
        place.environment |= {
            "DULY_HANDLERS": f"{HANDLERS},{APP}",
            "DULY_SERVICES": json.dumps(SERVICES),
        }

    def commands(self) -> list[list[str]]:
        return [*super().commands(), [*worker(f"{APP}:app"), "--queues", "duly"]]
