"""`duly bench`: hands over to the bench, which runs in processes and a database of its own."""

from __future__ import annotations

from argparse import Namespace

from duly.bench.options import QUICK_SECONDS, BenchOptions
from duly.bench.run import run_bench


def perform(options: Namespace) -> int:
    """Run the bench; 0 only if every promise was kept."""
    return run_bench(
        BenchOptions(
            seconds=QUICK_SECONDS if options.quick else options.seconds,
            events=options.events,
            engines=options.engines,
            database_url=options.database_url,
            json=options.json,
        )
    )
