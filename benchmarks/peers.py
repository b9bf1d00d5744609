"""How each scheduler is run: from an instant on, uninterrupted, as its documentation says.

Each function gives the firings of a job in a zone after an instant, and may go on for ever.
A package that is not installed is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import chain
from zoneinfo import ZoneInfo

from benchmarks.report import installed


@dataclass(frozen=True)
class Job:
    """What is to fire, in the words of every peer."""

    cron: str
    rrule: str


def duly_cron(job: Job, zone: str, start: datetime) -> Iterator[datetime]:
    """`Cron.next`, asked from each firing on."""
    from duly import Cron
    from duly.civil.instants import as_instant

    rule = Cron(job.cron, zone)
    due = rule.next(as_instant(start))
    while due:
        yield due.at
        due = rule.next(due.at)


def croniter_next(job: Job, zone: str, start: datetime) -> Iterator[datetime]:
    """`get_next` of one croniter, begun at an aware datetime of the zone."""
    from croniter import croniter

    found = croniter(job.cron, start.astimezone(ZoneInfo(zone)))
    while True:
        yield found.get_next(datetime)


def cronsim_iterator(job: Job, zone: str, start: datetime) -> Iterator[datetime]:
    """One CronSim, begun at an aware datetime of the zone."""
    from cronsim import CronSim

    yield from CronSim(job.cron, start.astimezone(ZoneInfo(zone)))


def celery_crontab(job: Job, zone: str, start: datetime) -> Iterator[datetime]:
    """django-celery-beat's crontab, asked `is_due` as celery's beat does, on a clock of ours.

    Beat wakes every few seconds; here the clock is put straight to when it was told to look
    again, which is the same: the answer depends on the last run alone.
    """
    from celery import Celery  # type: ignore[import-not-found,import-untyped,unused-ignore]
    from django_celery_beat.tzcrontab import (  # type: ignore[import-not-found,import-untyped,unused-ignore]
        TzAwareCrontab,
    )

    class OnOurClock(TzAwareCrontab):  # type: ignore[misc]
        clock = start
        tz: tzinfo

        def nowfunc(self) -> datetime:
            return self.clock.astimezone(self.tz)

    minute, hour, day, month, weekday = job.cron.split()
    app = Celery("benchmarks", set_as_current=False)
    schedule = OnOurClock(minute, hour, weekday, day, month, tz=ZoneInfo(zone), app=app)
    last_run_at = start
    while True:
        is_due, seconds = schedule.is_due(last_run_at)
        if is_due:
            last_run_at = schedule.clock
            yield last_run_at
        else:
            schedule.clock += timedelta(seconds=seconds)


def apscheduler_trigger(job: Job, zone: str, start: datetime) -> Iterator[datetime]:
    """`get_next_fire_time` of a CronTrigger, asked as APScheduler 3 does after each firing."""
    from apscheduler.triggers.cron import (  # type: ignore[import-not-found,import-untyped,unused-ignore]
        CronTrigger,
    )

    trigger = CronTrigger.from_crontab(job.cron, timezone=zone)
    fired = trigger.get_next_fire_time(None, start.astimezone(ZoneInfo(zone)))
    while fired:
        yield fired
        fired = trigger.get_next_fire_time(fired, fired)


def dateutil_rrule(job: Job, zone: str, start: datetime) -> Iterator[datetime]:
    """An rrule, begun at an aware datetime of the zone."""
    from dateutil.rrule import rrulestr

    yield from chain(rrulestr(job.rrule, dtstart=start.astimezone(ZoneInfo(zone))))


@dataclass(frozen=True)
class Peer:
    """A way to schedule, and the packages that it needs."""

    fire: Callable[[Job, str, datetime], Iterator[datetime]]
    packages: tuple[str, ...]

    def firings(self, job: Job, zone: str, start: datetime) -> Iterator[datetime]:
        """Give the firings in UTC; one at the start itself is left out, wherever it counts."""
        for fired in self.fire(job, zone, start):
            if (at := fired.astimezone(UTC)) != start:
                yield at


ALL = {
    "duly Cron": Peer(duly_cron, ("duly",)),
    "croniter": Peer(croniter_next, ("croniter",)),
    "cronsim": Peer(cronsim_iterator, ("cronsim",)),
    "celery-beat": Peer(celery_crontab, ("celery", "django-celery-beat")),
    "APScheduler": Peer(apscheduler_trigger, ("apscheduler",)),
    "dateutil": Peer(dateutil_rrule, ("python-dateutil",)),
}


def available() -> dict[str, Peer]:
    """Give the peers that are installed."""
    return {name: peer for name, peer in ALL.items() if all(map(installed, peer.packages))}
