"""Directs the demo: schedules, starts two engines, kills one, and reads out the verdict."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import django

from duly.demo.engine_process import EngineProcess
from duly.demo.handlers import DIRECTORY_VARIABLE
from duly.demo.progress import clear_progress, progress
from duly.demo.verdict import effects_in

# From the second engine's start to the first due instant.
LEAD_SECONDS = 2.0
# After the last due instant: the lease of the killed process, then some.
PATIENCE_SECONDS = 15.0
PROGRESS_SECONDS = 0.25


def main(arguments: Sequence[str]) -> int:
    """Run the demo in the directory that the environment names."""
    seconds, events, form = float(arguments[0]), int(arguments[1]), arguments[2]
    django.setup()
    # Imported here: they need Django's settings.
    from django.core.management import call_command

    from duly.demo import story

    directory = Path(os.environ[DIRECTORY_VARIABLE])
    quiet = form == "json"
    call_command("migrate", verbosity=0)
    if story.database_in_use():
        print(
            "duly: error: this database holds events already; the demo needs an empty one",
            file=sys.stderr,
        )
        return 2
    say = _silent if quiet else _say
    say(story.opening())
    story.schedule_appointments(say)
    engines = [EngineProcess(), EngineProcess()]
    try:
        for engine in engines:
            engine.await_start()
        first = datetime.now(UTC) + timedelta(seconds=LEAD_SECONDS)
        story.schedule_due_now(directory, first, seconds, events, random.Random())
        say(
            f"Two engines run (pids {engines[0].process.pid} and {engines[1].process.pid}). "
            f"{events} events come due within {seconds:g} s, at random instants."
        )
        killed = _watch(directory, engines, first, seconds, events, say)
    finally:
        stopped = [engine.stop() for engine in engines]
    verdict = story.verdict(directory)
    if quiet:
        print(json.dumps(story.verdict_json(verdict, killed)))
    else:
        say("\n".join(story.verdict_lines(verdict, killed)))
        say("\n".join(story.examples()))
    as_planned = sorted(stopped) == [-signal.SIGKILL, 0]
    if not as_planned:
        print(f"duly: error: the engines ended with {stopped}", file=sys.stderr)
    return 0 if verdict.passed and as_planned else 1


def _watch(
    directory: Path,
    engines: Sequence[EngineProcess],
    first: datetime,
    seconds: float,
    events: int,
    say: Callable[[str], None],
) -> float:
    """Wait for every event, and kill one engine half-way; gives when that was, in seconds."""
    start = first.timestamp()
    killed_at = 0.0
    while (elapsed := time.time() - start) < seconds + PATIENCE_SECONDS:
        fired = len({str(effect["key"]) for effect in effects_in(directory)})
        progress(fired, events, max(0.0, elapsed))
        if not killed_at and elapsed >= seconds / 2:
            killed_at = elapsed
            clear_progress()
            say(f"{elapsed:.1f} s: {_kill_busiest(engines)}, {fired} fired so far.")
        if fired >= events and elapsed > seconds:
            break
        time.sleep(PROGRESS_SECONDS)
    clear_progress()
    return killed_at


def _kill_busiest(engines: Sequence[EngineProcess]) -> str:
    """Kill the engine whose death hurts most: the one that holds the most."""
    from duly.demo import story

    held = story.held_by_holder()
    victim = max(engines, key=lambda engine: held[engine.holder])
    victim.process.kill()
    return (
        f"engine {victim.process.pid} killed with SIGKILL, which held {held[victim.holder]} events"
    )


def _say(text: str) -> None:
    print(text, flush=True)


def _silent(text: str) -> None:
    pass


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
