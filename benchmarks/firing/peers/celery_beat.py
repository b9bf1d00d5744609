"""Celery with django-celery-beat: one-off rows, each with the clock time it is due at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from benchmarks.firing.peers.celery_queue import WORKER, CeleryQueue
from benchmarks.firing.place import Place

MODULE = "benchmarks.firing.peers.apps.celery_app:app"


class CeleryBeat(CeleryQueue):
    """ClockedSchedule with one_off=True; beat on its DatabaseScheduler, and a worker on Redis.

    Beat looks again at the latest after `beat_max_loop_interval`, 5 s by default: 0.1 s here.
    """

    name = "celery-beat"
    needs: ClassVar[tuple[str, ...]] = ("celery", "redis", "django_celery_beat")
    packages: ClassVar[tuple[str, ...]] = ("django-celery-beat",)
    configured = "beat (DatabaseScheduler, max loop interval 0.1 s) and a worker as celery"
    most = 500
    seconds_to_store = 0.003

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        place.environment["DJANGO_SETTINGS_MODULE"] = "benchmarks.firing.peers.apps.beat_settings"

    def commands(self) -> list[list[str]]:
        beat = ["-m", "celery", "-A", MODULE, "beat", "--loglevel", "ERROR"]
        beat += ["--scheduler", "django_celery_beat.schedulers:DatabaseScheduler", "--pidfile="]
        return [WORKER, beat]

    def make_tables(self) -> None:
        if not self.place.has_tables:
            self.call("create_beat_tables")
            self.place.has_tables = True

    def prepare(self, dues: Sequence[float]) -> None:
        # Beat must know its rows from the start; messages come from it alone.
        self.place.environment["FIRING_BY_BEAT"] = "1"
        super().prepare(dues)
