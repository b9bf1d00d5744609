"""Procrastinate's application: one task, its tables, its worker."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime

from procrastinate import App, PsycopgConnector
from procrastinate.jobs import JobDeferrer

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
            # What `batch_defer` does, which has one `schedule_at` for all.
            jobs = [_task(due, now).make_new_job(due=due) for due in part]
            opened.job_manager.batch_defer_jobs(jobs=jobs)


def _task(due: float, now: float) -> JobDeferrer:
    at = datetime.fromtimestamp(due, UTC) if due > now else None
    return app.configure_task("firing", schedule_at=at)


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
