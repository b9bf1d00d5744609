"""APScheduler's process, and jobs put into its table beforehand."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime

from apscheduler.executors.pool import ThreadPoolExecutor  # type: ignore[import-untyped,unused-ignore]
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore  # type: ignore[import-untyped,unused-ignore]
from apscheduler.schedulers.background import BackgroundScheduler  # type: ignore[import-untyped,unused-ignore]
from apscheduler.schedulers.base import BaseScheduler  # type: ignore[import-untyped,unused-ignore]
from apscheduler.schedulers.blocking import BlockingScheduler  # type: ignore[import-untyped,unused-ignore]

from benchmarks.firing import instants
from benchmarks.firing.place import DATABASE_VARIABLE
from benchmarks.firing.records import note


def fire(due: float) -> None:
    note(due)


def create_tables() -> None:
    with_jobs = BackgroundScheduler(**_options())
    with_jobs.start(paused=True)
    with_jobs.shutdown()


def schedule(path: str) -> None:
    paused = BackgroundScheduler(**_options())
    paused.start(paused=True)
    for due in instants.read(path):
        _add(paused, due)
    paused.shutdown()


def schedule_soon(times: str) -> list[float]:
    """A second process may add jobs, but cannot wake the scheduler: it hears of them at its
    next look, which is at the instant of the job that it knows to be next, or never."""
    dues = []
    paused = BackgroundScheduler(**_options())
    paused.start(paused=True)
    for _ in range(int(times)):
        due = round(time.time() + 1.0, 6)
        _add(paused, due)
        dues.append(due)
        time.sleep(1.0)
    paused.shutdown()
    return dues


def work() -> None:
    BlockingScheduler(**_options()).start()


def _add(scheduler: BaseScheduler, due: float) -> None:
    scheduler.add_job(fire, "date", run_date=datetime.fromtimestamp(due, UTC), args=[due])


def _options() -> dict[str, object]:
    url = os.environ[DATABASE_VARIABLE].replace("postgresql://", "postgresql+psycopg://", 1)
    return {
        "jobstores": {"default": SQLAlchemyJobStore(url=url)},
        "executors": {"default": ThreadPoolExecutor(20)},
        "job_defaults": {"misfire_grace_time": None},
        "timezone": UTC,
    }
