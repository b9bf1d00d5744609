"""How long it takes to say when a rule is due next, from random instants on.

duly and its peers in turn, in one process; then 100,000 distinct rules, each built from its
stored form and asked once. What is compared with what is in README.md.
"""
# ruff: noqa: S311, T201 - random instants, and a program prints

from __future__ import annotations

import argparse
import gc
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import count, islice
from statistics import median
from time import perf_counter
from typing import Any
from zoneinfo import ZoneInfo

import duly
from benchmarks import report
from duly.civil import zones
from duly.civil.forms import rule_from_json
from duly.civil.instants import Instant, as_instant

ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC")
PACKAGES = ("duly", "croniter", "cronsim", "python-dateutil")
FIRST, LAST = datetime(2026, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
MOST_INSTANTS = 200
# What the slowest may take for one pass over the instants.
LONGEST_SECONDS = 1.0
RULES = 100_000
NOW = as_instant(datetime(2026, 6, 1, 12, tzinfo=UTC))
# Left out as long as duly has no such rule.
RRULE: Any = getattr(duly, "RRule", None)

CRONS = (
    "* * * * *",
    "*/5 * * * *",
    "*/15 9-17 * * 1-5",
    "7,37 * * * *",
    "0 * * * *",
    "0 */6 * * *",
    "30 2 * * *",
    "0 9 * * *",
    "0,30 8-18 * * *",
    "0 9 * * 1-5",
    "0 0 * * 0",
    "15 6 * * 1,3,5",
    "0 0 1 * *",
    "0 12 15 * *",
    "0 3 1,15 * *",
    "45 23 31 * *",
    "0 0 1 1 *",
    "0 8 4 7 *",
    "59 23 31 12 *",
    "0 0 29 2 *",
)
RRULES = (
    ("FREQ=DAILY", "2026-01-01T09:00"),
    ("FREQ=DAILY", "2005-01-01T09:00"),
    ("FREQ=DAILY;INTERVAL=3", "2020-01-01T09:00"),
    ("FREQ=DAILY;BYHOUR=9,17;BYMINUTE=0,30", "2020-01-01T09:00"),
    ("FREQ=DAILY;COUNT=4000", "2020-01-01T09:00"),
    ("FREQ=WEEKLY;BYDAY=MO,WE,FR", "2026-01-02T09:00"),
    ("FREQ=WEEKLY;BYDAY=MO,WE,FR", "2005-01-03T09:00"),
    ("FREQ=WEEKLY;INTERVAL=2;BYDAY=TU", "2015-01-06T09:00"),
    ("FREQ=MONTHLY;BYMONTHDAY=1", "2010-01-01T09:00"),
    ("FREQ=MONTHLY;BYMONTHDAY=-1", "2010-01-31T09:00"),
    ("FREQ=MONTHLY;BYDAY=2TU", "2010-01-12T09:00"),
    ("FREQ=MONTHLY;BYDAY=-1FR", "2010-01-29T09:00"),
    ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "2010-01-29T09:00"),
    ("FREQ=MONTHLY;BYMONTHDAY=13;BYDAY=FR", "2000-10-13T09:00"),
    ("FREQ=YEARLY", "1997-07-04T09:00"),
    ("FREQ=YEARLY;BYMONTH=11;BYDAY=4TH", "1997-11-27T09:00"),
    ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", "1996-02-29T09:00"),
    ("FREQ=HOURLY", "2025-01-01T00:00"),
    ("FREQ=HOURLY;INTERVAL=6", "2015-01-01T00:00"),
    ("FREQ=MINUTELY;INTERVAL=15", "2024-01-01T00:00"),
)


@dataclass(frozen=True)
class Question:
    """From an instant on, in a zone, as each library takes it."""

    zone: str
    instant: Instant
    local: datetime


Answer = Callable[[Question], datetime | None]
Form = dict[str, Any]
Planner = Callable[[Form], datetime | None]


@dataclass(frozen=True)
class Timing:
    """Microseconds for one answer, of each repeat."""

    repeats: tuple[float, ...]

    @property
    def middle(self) -> float:
        return median(self.repeats)

    def __str__(self) -> str:
        return f"{_short(self.middle)} ({_short(min(self.repeats))}–{_short(max(self.repeats))})"


def _short(number: float) -> str:
    return f"{number:.1f}" if number < 100 else f"{number:,.0f}"


def questions(how_many: int) -> list[Question]:
    """Give random instants in zones; always the same ones."""
    chance = random.Random(20260101)
    seconds = int((LAST - FIRST).total_seconds())
    found = []
    for index in range(how_many):
        zone = ZONES[index % len(ZONES)]
        instant = as_instant(FIRST + timedelta(seconds=chance.randrange(seconds)))
        found.append(Question(zone, instant, instant.astimezone(ZoneInfo(zone))))
    return found


def cron_answers(expr: str) -> dict[str, Answer]:
    """Give the ways to ask for a cron expression, on rules kept and on rules made anew."""
    from croniter import croniter
    from cronsim import CronSim

    rules = {zone: duly.Cron(expr, zone) for zone in ZONES}
    found = croniter(expr, FIRST)

    def duly_kept(asked: Question) -> datetime | None:
        due = rules[asked.zone].next(asked.instant)
        return due.at if due else None

    def croniter_kept(asked: Question) -> datetime | None:
        return found.get_next(datetime, start_time=asked.local)

    def duly_new(asked: Question) -> datetime | None:
        due = duly.Cron(expr, asked.zone).next(asked.instant)
        return due.at if due else None

    def croniter_new(asked: Question) -> datetime | None:
        return croniter(expr, asked.local).get_next(datetime)

    def cronsim_new(asked: Question) -> datetime | None:
        return next(CronSim(expr, asked.local))

    return {
        "duly, kept": duly_kept,
        "croniter, kept": croniter_kept,
        "duly, new": duly_new,
        "croniter, new": croniter_new,
        "cronsim, new": cronsim_new,
    }


def rrule_answers(text: str, start: str) -> dict[str, Answer]:
    """Give the ways to ask for a recurrence rule, likewise."""
    from dateutil.rrule import rrulestr

    local_start = datetime.fromisoformat(start)
    starts = {zone: local_start.replace(tzinfo=ZoneInfo(zone)) for zone in ZONES}
    rules = {zone: RRULE(text, start, zone) for zone in ZONES}
    found = {zone: rrulestr(text, dtstart=starts[zone], cache=True) for zone in ZONES}

    def duly_kept(asked: Question) -> datetime | None:
        due = rules[asked.zone].next(asked.instant)
        return due.at if due else None

    def dateutil_kept(asked: Question) -> datetime | None:
        return found[asked.zone].after(asked.local)

    def duly_new(asked: Question) -> datetime | None:
        due = RRULE(text, start, asked.zone).next(asked.instant)
        return due.at if due else None

    def dateutil_new(asked: Question) -> datetime | None:
        return rrulestr(text, dtstart=starts[asked.zone]).after(asked.local)

    return {
        "duly, kept": duly_kept,
        "dateutil, kept": dateutil_kept,
        "duly, new": duly_new,
        "dateutil, new": dateutil_new,
    }


@dataclass(frozen=True)
class Row:
    """What was measured for one rule."""

    rule: str
    asked: int
    timings: dict[str, Timing]
    differing: int
    """Questions that not everybody answers alike."""


def measured(rule: str, answers: dict[str, Answer], repeats: int) -> Row:
    """Ask everybody the same questions, in turn, several times."""
    asked = questions(_affordable(answers))
    found: dict[str, list[float]] = {name: [] for name in answers}
    for _ in range(repeats):
        for name, answer in answers.items():
            found[name].append(_timed(answer, asked) / len(asked) * 1e6)
    timings = {name: Timing(tuple(times)) for name, times in found.items()}
    return Row(rule, len(asked), timings, sum(_differ(answers, question) for question in asked))


def _affordable(answers: dict[str, Answer]) -> int:
    """Give how many questions the slowest answers in time; all are warm then."""
    warm = questions(len(ZONES))
    for answer in answers.values():
        _timed(answer, warm)
    slowest = max(_timed(answer, warm) / len(warm) for answer in answers.values())
    return max(len(ZONES), min(MOST_INSTANTS, int(LONGEST_SECONDS / slowest)))


def _timed(answer: Answer, asked: Sequence[Question]) -> float:
    gc.collect()
    begun = perf_counter()
    for question in asked:
        answer(question)
    return perf_counter() - begun


def _differ(answers: dict[str, Answer], question: Question) -> bool:
    found = {at and at.astimezone(UTC) for at in (ask(question) for ask in answers.values())}
    return len(found) > 1


def rows_table(rows: list[Row], *, markdown: bool) -> str:
    """Set the times, with the ratio to duly asked in the same way, and what it is over all."""
    names = list(rows[0].timings)
    lines = [
        [row.rule, row.asked, *(_cell(row, name) for name in names), row.differing] for row in rows
    ]
    middle = [median(_ratio(row, name) for row in rows) for name in names]
    lines.append(["median ratio", "", *(f"×{ratio:.2f}" for ratio in middle), ""])
    header = ["µs for one answer (min–max)", "asked", *names, "differ"]
    return report.table(header, lines, markdown=markdown)


def _cell(row: Row, name: str) -> str:
    text = str(row.timings[name])
    return text if name.startswith("duly") else f"{text} ×{_ratio(row, name):.2f}"


def _ratio(row: Row, name: str) -> float:
    """Say how many times as long as duly it took: below 1, duly is slower."""
    way = name.rpartition(", ")[2]
    return row.timings[name].middle / row.timings[f"duly, {way}"].middle


def stored_rules(*kinds: Callable[[int, str], Form]) -> list[Form]:
    """Give distinct rules as they are stored: at every minute of the day, in every zone."""
    names = sorted(zones.current().names)
    made = (kinds[index % len(kinds)](index, names[index % len(names)]) for index in count())
    return list(islice(_without_repeats(made), RULES))


def _without_repeats(rules: Iterator[Form]) -> Iterator[Form]:
    seen = set()
    for rule in rules:
        if (key := repr(rule)) not in seen:
            seen.add(key)
            yield rule


def stored_cron(index: int, tz: str) -> Form:
    """Daily, weekly, monthly or yearly at a minute of the day; one in ten every few minutes."""
    turn, minutes = divmod(index, 1440)
    hour, minute = divmod(minutes, 60)
    days = (
        "* * *",
        f"* * {turn % 7}",
        f"{turn % 28 + 1} * *",
        f"{turn % 28 + 1} {turn % 12 + 1} *",
    )
    times = f"{minute}-59/{turn % 20 + 5} *" if index % 10 == 9 else f"{minute} {hour}"
    return duly.Cron(f"{times} {days[turn % 4]}", tz).to_json()


def stored_rrule(index: int, tz: str) -> Form:
    """One of the recurrence rules above, from another minute of the day on."""
    text, start = RRULES[index // 2 % len(RRULES)]
    minutes = timedelta(minutes=index % 1440)
    begun = datetime.combine(datetime.fromisoformat(start), time()) + minutes
    stored: Form = RRULE(text, begun.isoformat(), tz).to_json()
    return stored


def planners(kinds: set[str]) -> dict[str, Planner]:
    """Give the ways to build a rule from its stored form and ask it once; peers know cron only."""
    from croniter import croniter
    from cronsim import CronSim

    def local(form: Form) -> datetime:
        return NOW.astimezone(ZoneInfo(form["tz"]))

    def by_duly(form: Form) -> datetime | None:
        due = rule_from_json(form).next(NOW)
        return due.at if due else None

    def by_croniter(form: Form) -> datetime | None:
        return croniter(form["expr"], local(form)).get_next(datetime)

    def by_cronsim(form: Form) -> datetime | None:
        return next(CronSim(form["expr"], local(form)))

    if kinds != {"cron"}:
        return {"duly": by_duly}
    return {"duly": by_duly, "croniter": by_croniter, "cronsim": by_cronsim}


def planned(forms: list[Form], repeats: int) -> dict[str, list[float]]:
    """Plan every rule, by everybody in turn; give the seconds of each repeat."""
    seconds: dict[str, list[float]] = {}
    for _ in range(repeats):
        for name, plan in planners({form["kind"] for form in forms}).items():
            seconds.setdefault(f"{name}: built and asked, one by one", []).append(
                _planned(plan, forms)
            )
        rules = [rule_from_json(form) for form in forms]
        seconds.setdefault("duly: all built before, asked", []).append(
            _planned(lambda rule: rule.next(NOW), rules)
        )
    return seconds


def _planned(plan: Callable[[Any], object], rules: list[Any]) -> float:
    gc.collect()
    begun = perf_counter()
    for rule in rules:
        plan(rule)
    return perf_counter() - begun


def planned_table(forms: list[Form], seconds: dict[str, list[float]], *, markdown: bool) -> str:
    """Set the seconds for all rules, and the microseconds for one."""
    ours = median(next(iter(seconds.values())))
    rows = [
        [
            name,
            f"{median(times):.2f}",
            f"{min(times):.2f}–{max(times):.2f}",
            f"{median(times) / len(forms) * 1e6:.1f}",
            f"×{median(times) / ours:.2f}",
        ]
        for name, times in seconds.items()
    ]
    kinds = ", ".join(sorted({form["kind"] for form in forms}))
    texts = len({repr({**form, "tz": ""}) for form in forms})
    first = f"{len(forms):,} distinct rules ({kinds}; {texts:,} texts)"
    return report.table([first, "seconds", "min–max", "µs each", "ratio"], rows, markdown=markdown)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--json", metavar="FILE")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    facts = report.environment(PACKAGES)
    print(report.lines(facts, markdown=options.markdown), end="\n\n", flush=True)
    every = {"cron": [measured(expr, cron_answers(expr), options.repeats) for expr in CRONS]}
    mixes = {"cron": [stored_cron]}
    if RRULE:
        mixes["cron and rrule"] = [stored_cron, stored_rrule]
        every["rrule"] = [
            measured(f"{text} from {start[:10]}", rrule_answers(text, start), options.repeats)
            for text, start in RRULES
        ]
    for rows in every.values():
        print(rows_table(rows, markdown=options.markdown), end="\n\n", flush=True)
    plans = {}
    for name, kinds in mixes.items():
        forms = stored_rules(*kinds)
        plans[name] = planned(forms, options.repeats)
        print(planned_table(forms, plans[name], markdown=options.markdown), end="\n\n", flush=True)
    found = {kind: [_row_json(row) for row in rows] for kind, rows in every.items()}
    report.write_json(options.json, {"environment": facts, **found, "planned": plans})
    return 0


def _row_json(row: Row) -> dict[str, Any]:
    times = {name: timing.repeats for name, timing in row.timings.items()}
    return {"rule": row.rule, "asked": row.asked, "differing": row.differing, "µs": times}


if __name__ == "__main__":
    sys.exit(main())
