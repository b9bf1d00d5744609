"""Schedules what a run needs: `python -m benchmarks.bad_target.load START OPTIONS_AS_JSON`."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import django

django.setup()

from django.core.management import call_command  # noqa: E402

import duly  # noqa: E402
from duly import At, NewEvent  # noqa: E402

BATCH = 5000


def main(start: float, options: dict[str, float]) -> None:
    """Schedule steady traffic to "good", and occurrences of "bad" over the hour that it is down."""
    call_command("migrate", verbosity=0)
    dice = random.Random(7)
    new = list(_events(dice, "good", start, options["seconds"], options["good"]))
    new += _events(dice, "bad", start + options["down"], -options["hour"], options["bad"])
    for first in range(0, len(new), BATCH):
        duly.schedule_events(new[first : first + BATCH])


def _events(
    dice: random.Random, name: str, start: float, seconds: float, count: float
) -> Iterator[NewEvent]:
    for _ in range(int(count)):
        due = datetime.fromtimestamp(start + dice.uniform(0, seconds), UTC)
        yield NewEvent(name, At.instant(due), service=name)


if __name__ == "__main__":
    main(float(sys.argv[1]), json.loads(sys.argv[2]))
