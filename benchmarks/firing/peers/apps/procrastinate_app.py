"""Procrastinate's application: one task, its tables, its worker."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime

from procrastinate import App, PsycopgConnector

from benchmarks.firing import instants
from benchmarks.firing.place import DATABASE_VARIABLE
from benchmarks.firing.records import note

CONCURRENCY = 20
AT_ONCE = 5_000
# Its jobs, its listener and the update of its heartbeat.
_url = os.environ[DATABASE_VARIABLE]
app = App(connector=PsycopgConnector(conninfo=_url, min_size=4, max_size=CONCURRENCY + 2))


@app.task(name="firing")
async def fire(due: float) -> None:
    note(due)


def create_tables() -> None:
    with app.open() as opened:
        opened.schema_manager.apply_schema()


def schedule(path: str) -> None:
    dues = instants.read(path)
    now = time.time()
    with app.open() as opened:
        for first in range(0, len(dues), AT_ONCE):
            part = dues[first : first + AT_ONCE]
            due_already = [{"due": due} for due in part if due <= now]
            if due_already:
                opened.configure_task("firing").batch_defer(*due_already)
            for due in part[len(due_already) :]:
                opened.configure_task(
                    "firing", schedule_at=datetime.fromtimestamp(due, UTC)
                ).defer(due=due)


def schedule_soon(times: str) -> list[float]:
    dues = []
    with app.open() as opened:
        for _ in range(int(times)):
            due = round(time.time() + 1.0, 6)
            at = datetime.fromtimestamp(due, UTC)
            opened.configure_task("firing", schedule_at=at).defer(due=due)
            dues.append(due)
            time.sleep(1.0)
    return dues


def work() -> None:
    app.run_worker(
        concurrency=CONCURRENCY,
        fetch_job_polling_interval=0.1,
        listen_notify=True,
        delete_jobs="never",
    )
