"""`duly demo`: hands over to the demo, which runs in processes of its own."""

from __future__ import annotations

from argparse import Namespace

from duly.demo.run import DemoOptions, run_demo


def perform(options: Namespace) -> int:
    """Run the demo; 0 only if nothing was lost."""
    return run_demo(
        DemoOptions(
            seconds=options.seconds,
            events=options.events,
            database_url=options.database_url,
            keep=options.keep,
            json=options.json,
        )
    )
