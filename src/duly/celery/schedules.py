"""Celery's schedules, as rules of duly."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from celery.schedules import crontab, schedule
from celery.utils.time import maybe_make_aware

from duly.civil.cron import Cron
from duly.civil.every import SHORTEST_INTERVAL, Every
from duly.errors import ConfigurationError


def rule_of(said: Any) -> Cron | Every | None:
    """Give the rule that says the same as a schedule; None where its own next time is asked for.

    That is so for `solar`, for any class of the project's own, and for what a rule cannot say:
    a clock of its own (`nowfun`), `relative` intervals, and those below a second.
    """
    if said.nowfun is not None:
        return None
    # Not their subclasses, which may say anything.
    if type(said) is crontab:
        return Cron(expression_of(said), zone_of(said.tz), day_match="and")
    if type(said) is schedule and not said.relative and said.run_every >= SHORTEST_INTERVAL:
        return Every(said.run_every)
    return None


def expression_of(said: crontab) -> str:
    """Write the sets that a crontab has been expanded to as a cron expression.

    Celery's steps and ranges are read as Celery reads them. A day must match both day fields.
    """
    return " ".join(
        (
            _field(said.minute, 0, 59),
            _field(said.hour, 0, 23),
            _field(said.day_of_month, 1, 31),
            _field(said.month_of_year, 1, 12),
            _field(said.day_of_week, 0, 6),
        )
    )


def _field(numbers: Collection[int], first: int, last: int) -> str:
    if len(numbers) == last - first + 1:
        return "*"
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)


def zone_of(tz: tzinfo) -> str:
    """Give the name of a time zone. Raises ConfigurationError for one that has none."""
    name = getattr(tz, "key", None)
    if isinstance(name, str):
        return name
    if tz.utcoffset(None) == timedelta(0):
        return "UTC"
    raise ConfigurationError(
        f"the time zone {tz!r} of the Celery app has no IANA name; set its `timezone`, "
        "such as 'Europe/Berlin'"
    )


def next_run(said: Any, last_run_at: datetime) -> datetime:
    """Ask a schedule for its next run after `last_run_at` (aware); gives it in UTC."""
    now: datetime = maybe_make_aware(said.now())
    try:
        wait: timedelta = said.remaining_estimate(last_run_at)
    except NotImplementedError:
        wait = timedelta(seconds=said.is_due(last_run_at)[1])
    # To the second: asked a moment later, `solar` names another microsecond.
    due = (now + max(wait, timedelta(0))).astimezone(UTC) + timedelta(microseconds=999_999)
    return due.replace(microsecond=0)
