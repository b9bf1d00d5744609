"""duly in the place of beat: `celery -A proj beat -S duly.celery:Scheduler`.

The schedule is in the database, and an engine of duly fires it: any number of these run side
by side, and each entry is sent once.
"""

from __future__ import annotations

from typing import Any

from celery import beat
from celery.utils.log import get_logger
from django.db import Error, connections

from duly.celery.entries import bring_in
from duly.celery.sending import SERVICE
from duly.conf import config
from duly.engine.loop import Engine
from duly.engine.options import EngineOptions

# Beat sleeps in between, and answers `celery inspect ping` while it ticks.
TICK_SECONDS = 1.0
logger = get_logger(__name__)


class Scheduler(beat.Scheduler):
    """Brings the entries of beat in as events, and runs an engine until beat ends."""

    service = SERVICE

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._engine: Engine | None = None
        self._is_brought_in = False
        super().__init__(*args, **kwargs)

    def setup_schedule(self) -> None:
        """Read the entries of the app's configuration, and those that Celery adds to them."""
        self.merge_inplace(self.app.conf.beat_schedule)
        self.install_default_entries(self.schedule)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Keep the engine going; gives the seconds until it is asked again."""
        if self._engine is None:
            self._engine = Engine(EngineOptions.of(config()))
            self._engine.start()
        if not self._is_brought_in:
            try:
                bring_in(self.schedule, self.service)
                self._is_brought_in = True
            except Error as error:
                # What is stored already is fired meanwhile.
                logger.error("the entries of beat cannot be stored yet: %r", error)
            finally:
                # This thread asks the database nothing more.
                connections.close_all()
        return min(TICK_SECONDS, float(self.max_interval))

    def close(self) -> None:
        """Stop the engine: what runs is waited for, and what is held given back."""
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.stop()
        super().close()

    @property
    def info(self) -> str:
        return f"    . db -> {config().database} (duly)"
