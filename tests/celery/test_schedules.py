"""Celery's schedules become rules that name the same instants."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Celery
from celery.schedules import BaseSchedule, crontab, schedule, solar

from duly import Cron, Every
from duly.celery.schedules import expression_of, next_run, rule_of
from duly.civil.instants import Instant

NOW = datetime(2026, 3, 28, 12, 0, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def app() -> Celery:
    return Celery("schedules", set_as_current=False, broker="memory://")


@pytest.mark.parametrize(
    ("said", "expression"),
    [
        pytest.param({}, "* * * * *", id="always"),
        pytest.param({"minute": 0}, "0 * * * *", id="hourly"),
        pytest.param({"minute": "*/15", "hour": 7}, "0,15,30,45 7 * * *", id="steps"),
        pytest.param({"minute": "0-10,50"}, "0-10,50 * * * *", id="ranges"),
        pytest.param({"minute": "50-5"}, "0-5,50-59 * * * *", id="a-range-around-the-hour"),
        pytest.param(
            {"minute": 0, "hour": 9, "day_of_week": "mon-fri"}, "0 9 * * 1-5", id="workdays"
        ),
        pytest.param({"minute": 0, "hour": 9, "day_of_week": "sunday"}, "0 9 * * 0", id="sunday"),
        pytest.param(
            {"minute": 0, "hour": 0, "day_of_week": "fri-mon"}, "0 0 * * 0-1,5-6", id="fri-mon"
        ),
        pytest.param(
            {"minute": 0, "hour": 0, "day_of_month": "2-30/2"},
            f"0 0 {','.join(str(day) for day in range(2, 31, 2))} * *",
            id="even-days",
        ),
        pytest.param({"minute": {1, 59}, "hour": [0, 23]}, "1,59 0,23 * * *", id="sets-and-lists"),
        pytest.param(
            {"minute": 0, "hour": 0, "day_of_month": "1-7", "month_of_year": "*/3"},
            "0 0 1-7 1,4,7,10 *",
            id="quarters",
        ),
    ],
)
def test_a_crontab_is_written_as_the_sets_that_celery_expands_it_to(
    said: dict[str, Any], expression: str
) -> None:
    assert expression_of(crontab(**said)) == expression


def test_a_crontab_is_read_in_the_zone_of_its_app() -> None:
    app = Celery("zoned", set_as_current=False, broker="memory://")
    app.conf.timezone = "Europe/Berlin"

    rule = rule_of(crontab(minute=30, hour=2, app=app))

    assert rule == Cron("30 2 * * *", "Europe/Berlin", day_match="and")
    # The night the clocks go forward, and the next.
    due = rule.next(Instant(NOW))
    assert due is not None
    assert due.at.isoformat() == "2026-03-29T01:30:00+00:00"


def test_a_thousand_crontabs_fire_when_celery_says(app: Celery) -> None:
    dice = random.Random(20261124)
    for _ in range(1000):
        said = {
            "minute": _numbers(dice, 0, 59),
            "hour": _numbers(dice, 0, 23),
            "day_of_month": _numbers(dice, 1, 28),
            "month_of_year": _numbers(dice, 1, 12),
            "day_of_week": _numbers(dice, 0, 6),
        }
        after = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=dice.randrange(3 * 10**7))
        asked = crontab(**said, nowfun=lambda now=after: now, app=app)

        due = rule_of(crontab(**said, app=app))
        found = due.next(Instant(after)) if due else None

        assert found is not None
        assert found.at == after + asked.remaining_estimate(after), (said, after)


def _numbers(dice: random.Random, first: int, last: int) -> str:
    match dice.randrange(5):
        case 0 | 1:
            return "*"
        case 2:
            return f"*/{dice.randint(2, 9)}"
        case 3:
            low, high = sorted(dice.sample(range(first, last + 1), 2))
            return f"{low}-{high}"
        case _:
            return ",".join(str(n) for n in sorted(dice.sample(range(first, last + 1), 3)))


def test_an_interval_counts_elapsed_time(app: Celery) -> None:
    assert rule_of(schedule(timedelta(minutes=5), app=app)) == Every(timedelta(minutes=5))


class Tides(BaseSchedule):
    """A schedule of a project's own."""

    def is_due(self, last_run_at: datetime) -> tuple[bool, Any]:
        return False, 90.0


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(Tides(), id="of-the-projects-own"),
        pytest.param(schedule(timedelta(seconds=30), relative=True), id="relative"),
        pytest.param(schedule(0.5), id="below-a-second"),
        pytest.param(crontab(nowfun=lambda: NOW), id="with-a-clock-of-its-own"),
    ],
)
def test_what_no_rule_says_is_asked_for_its_next_run(said: BaseSchedule) -> None:
    assert rule_of(said) is None


def test_a_next_run_is_asked_for_by_estimate_or_by_dueness(app: Celery) -> None:
    tides = Tides(nowfun=lambda: NOW, app=app)
    relative = schedule(timedelta(minutes=1), relative=True, nowfun=lambda: NOW, app=app)

    assert next_run(tides, NOW) == NOW + timedelta(seconds=90)
    assert next_run(relative, NOW) == NOW.replace(second=0) + timedelta(minutes=1)


def test_the_sun_is_asked_for_its_next_rise(app: Celery) -> None:
    pytest.importorskip("ephem")
    sunrise = solar("sunrise", 52.5, 13.4, nowfun=lambda: NOW, app=app)

    assert rule_of(sunrise) is None
    # Berlin, on the first morning of summer time: 06:48 there.
    assert next_run(sunrise, NOW).replace(second=0).isoformat() == "2026-03-29T04:48:00+00:00"
