"""All that is measured, in order: the bare limits first, and the kill last."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from django.db import connections

from duly.bench import limits, phases, report
from duly.bench.care import care
from duly.bench.measurements import Limits, Measurements
from duly.bench.options import BenchOptions


def measure(
    options: BenchOptions, using: str, directory: Path, say: Callable[[str], None]
) -> Measurements:
    """Measure on an empty database with its tables, and say each result as it comes.

    directory: for the handlers' logs.
    """
    began = time.monotonic()
    line = report.line
    trip = limits.round_trip(using, options.probe_seconds / 2)
    say(line("round trip", f"{trip * 1000:.2f} ms", "of a statement that does nothing"))
    commits = limits.commits(using, options.probe_seconds)
    say(line("commits", f"{commits:,.0f}/s", "of one row, one by one: this database's limit"))
    ahead, uncertain = limits.clock_ahead(using)
    stage = phases.Stage(
        using=using, options=options, directory=directory, clock_ahead=ahead, uncertain=uncertain
    )
    one = phases.schedule_one_by_one(stage)
    say(line("schedule", f"{one:,.0f}/s", "one by one, each committed"))
    bulk, accuracy = phases.check_civil_times(stage)
    say(line("schedule in bulk", f"{bulk:,.0f}/s", f"{accuracy.checked:,} in one transaction"))
    burst = phases.fire_burst(stage, options.burst_on(connections[using].vendor))
    say(report.burst_lines(burst))
    punctual, accuracy = phases.fire_punctually(stage, bulk, accuracy)
    say(report.punctual_line(punctual))
    kill = phases.fire_and_kill(stage)
    say(report.kill_line(kill))
    return Measurements(
        limits=Limits(round_trip=trip, commits=commits, scheduled=one, scheduled_in_bulk=bulk),
        accuracy=accuracy,
        burst=burst,
        punctual=punctual,
        kill=kill,
        care=care(using),
        seconds=time.monotonic() - began,
    )
