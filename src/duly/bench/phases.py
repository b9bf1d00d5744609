"""The phases that need duly: scheduling, civil times, the burst, punctuality, the kill."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from django.db import transaction

from duly import scheduling
from duly.bench import limits
from duly.bench.care import empty
from duly.bench.civil_times import CivilTime, by_hand, coming_civil_times, read_zones
from duly.bench.handlers import CIVIL, FIRE, WARM, WARM_SECONDS, WORK, warm_mark
from duly.bench.measurements import Accuracy, Burst, Kill, compare, untold_duplicates
from duly.bench.options import RATE, BenchOptions
from duly.civil import zones
from duly.civil.at import At
from duly.conf import config
from duly.demo import story
from duly.demo.engine_process import EngineProcess
from duly.demo.handlers import DIRECTORY_VARIABLE
from duly.demo.progress import clear_progress, progress
from duly.demo.verdict import Verdict, acknowledge, effects_in, judge
from duly.intake import NewEvent
from duly.models import Occurrence, ScheduledEvent

POLL_SECONDS = 0.1
# From the commit of the events to the first due instant.
LEAD_SECONDS = 1.0
# As much work as the demo's: enough that an engine always holds some.
KILL_RATE = 60.0
# Short, so that the rescue comes within the bench's time.
KILL_LEASE_SECONDS = 3.0
_YEAR = timedelta(days=365)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where the phases play."""

    using: str
    options: BenchOptions
    directory: Path
    clock_ahead: float
    """Seconds that the database's clock reads ahead of this host's."""
    uncertain: float
    named: tuple[tuple[str, ZoneInfo], ...] = field(default_factory=lambda: _zones_in_use())
    """Every zone of the data in use, by its name."""
    dice: random.Random = field(default_factory=random.Random)

    def now(self) -> datetime:
        """Give the database's present instant."""
        return datetime.now(UTC) + timedelta(seconds=self.clock_ahead)

    def judge(self, directory: Path, rescued: Iterable[str] = ()) -> Verdict:
        """Judge a phase by its logs, on the database's clock."""
        return judge(directory, rescued, clock_ahead=self.clock_ahead, uncertain=self.uncertain)


def schedule_one_by_one(stage: Stage) -> float:
    """Measure how many events are scheduled a second, each committed by itself."""
    far = stage.now() + _YEAR

    def schedule() -> None:
        scheduling.schedule_event(CIVIL, At.instant(far, "UTC"), actor="bench")

    return limits.per_second(schedule, stage.options.probe_seconds)


def check_civil_times(stage: Stage) -> tuple[float, Accuracy]:
    """Schedule civil times around the coming clock changes in bulk, and compare them.

    Gives events scheduled a second, and how they compare with what was computed by hand.
    """
    asked = list(coming_civil_times(stage.named, stage.now(), 366 * stage.options.years))
    new = [
        NewEvent(CIVIL, At(civil.local, civil.zone, fold=civil.fold), key=f"civil:{index}")
        for index, civil in enumerate(asked)
    ]
    began = time.perf_counter()
    _schedule(stage, new)
    seconds = time.perf_counter() - began
    # Read back: what counts is what an engine will find there.
    rows = ScheduledEvent.objects.using(stage.using).filter(key__startswith="civil:")
    stored = {
        int(str(key).partition(":")[2]): next_at
        for key, next_at in rows.values_list("key", "next_at").iterator()
    }
    if stage.options.is_short:
        empty(stage.using)
    return len(new) / seconds, compare(asked, stored, None)


def fire_burst(stage: Stage, count: int) -> Burst:
    """Commit events that are due already while engines wait, and time the last effect."""
    directory = _directory(stage, "burst")
    due = stage.now() - timedelta(seconds=1)
    new = [NewEvent(FIRE, At.instant(due, "UTC")) for _ in range(count)]
    asked = time.monotonic()
    with _engines(stage, directory):
        start = time.monotonic() - asked
        stored = _schedule(stage, new)
        began = time.time()
        _acknowledge(directory, stored)
        _await(directory, count, began, stage.options.patience_seconds)
    verdict = _judged(stage, directory)
    last = max((float(effect["at"]) for effect in effects_in(directory)), default=began)
    return Burst(events=count, fired=verdict.fired, seconds=last - began, start=start)


def fire_punctually(stage: Stage, bulk_rate: float, before: Accuracy) -> tuple[Verdict, Accuracy]:
    """Fire 10,000 events a minute at random instants, each a civil time somewhere.

    bulk_rate: how many events are scheduled a second, so that all are before the first is due.
    """
    directory = _directory(stage, "punctual")
    seconds = stage.options.punctual_seconds
    count = max(1, round(RATE * seconds))
    with _engines(stage, directory):
        first = stage.now() + timedelta(seconds=LEAD_SECONDS + 2 * count / bulk_rate)
        zones_used = stage.dice.sample(
            stage.named, min(len(stage.named), stage.options.firing_zones)
        )
        asked = [_civil_time(stage.dice, zones_used, first, seconds) for _ in range(count)]
        new = [NewEvent(FIRE, At(civil.local, civil.zone)) for civil in asked]
        stored = _schedule(stage, new)
        _acknowledge(directory, stored)
        end = first.timestamp() - stage.clock_ahead + seconds
        _await(directory, count, end - seconds, seconds + stage.options.patience_seconds)
    instants = {index: event.next_at for index, event in enumerate(stored)}
    return _judged(stage, directory), compare(asked, instants, before)


def fire_and_kill(stage: Stage) -> Kill:
    """Kill one engine with SIGKILL half-way, while it holds events."""
    directory = _directory(stage, "kill")
    seconds = stage.options.kill_seconds
    count = round(KILL_RATE * seconds)
    lease = max(KILL_LEASE_SECONDS, 2 * config().horizon_seconds)
    with _engines(stage, directory, "--lease-seconds", str(lease)) as engines:
        first = stage.now() + timedelta(seconds=LEAD_SECONDS)
        moments = [first + timedelta(seconds=stage.dice.uniform(0, seconds)) for _ in range(count)]
        _acknowledge(
            directory,
            _schedule(stage, [NewEvent(WORK, At.instant(moment, "UTC")) for moment in moments]),
        )
        start = first.timestamp() - stage.clock_ahead
        time.sleep(max(0.0, start + seconds / 2 - time.time()))
        held = _kill_busiest(engines, start + seconds)
        after = time.time() - start
        _await(directory, count, start, seconds + lease + stage.options.patience_seconds)
    return Kill(
        after=after,
        held=held,
        exit_codes=tuple(engine.process.returncode for engine in engines),
        untold=untold_duplicates(effects_in(directory)),
        verdict=stage.judge(directory, story.rescued()),
    )


def _judged(stage: Stage, directory: Path) -> Verdict:
    """Judge a phase that is over; what it left unfinished must not come into the next one."""
    verdict = stage.judge(directory)
    if verdict.lost:
        empty(stage.using)
    return verdict


def _kill_busiest(engines: Sequence[EngineProcess], end: float) -> int:
    """Kill the engine that holds the most, once one holds any; gives how many it held."""
    while True:
        held = story.held_by_holder()
        victim = max(engines, key=lambda engine: held[engine.holder])
        if held[victim.holder] or time.time() > end:
            victim.kill()
            return held[victim.holder]
        time.sleep(POLL_SECONDS)


@contextmanager
def _engines(stage: Stage, directory: Path, *arguments: str) -> Iterator[list[EngineProcess]]:
    """Run engines that write their effects into a directory, and stop them at the end."""
    engines: list[EngineProcess] = []
    try:
        for _ in range(stage.options.engines):
            engines.append(EngineProcess(arguments, {DIRECTORY_VARIABLE: str(directory)}))
        for engine in engines:
            engine.await_start()
        _warm_up(stage, directory, engines)
        yield engines
        for engine in engines:
            engine.ask_to_stop()
        for engine in engines:
            engine.stop()
    finally:
        for engine in engines:
            engine.kill()
            engine.process.wait()


def _warm_up(stage: Stage, directory: Path, engines: Sequence[EngineProcess]) -> None:
    """Wait until each engine fires: a fresh one first reads every time zone that is in use."""
    marks = [warm_mark(directory, engine.process.pid) for engine in engines]
    end = time.time() + stage.options.patience_seconds
    # One more than an engine can take at once, so that the others get theirs.
    warm = [NewEvent(WARM, At.instant(stage.now(), "UTC"))] * (config().concurrency + 1)
    while not all(mark.exists() for mark in marks) and time.time() < end:
        _schedule(stage, warm)
        time.sleep(2 * WARM_SECONDS)
    live = Occurrence.objects.using(stage.using).filter(wake_at__isnull=False)
    unborn = ScheduledEvent.objects.using(stage.using).filter(
        event_type=WARM, next_at__isnull=False
    )
    while (live.exists() or unborn.exists()) and time.time() < end:
        time.sleep(POLL_SECONDS)


def _await(directory: Path, count: int, start: float, seconds: float) -> None:
    """Wait until every event has left its effect, at most so long after `start`."""
    _poll(lambda: _lines(directory), count, start, seconds)
    # Lines may be duplicates: count again, by key.
    _poll(lambda: len({effect["key"] for effect in effects_in(directory)}), count, start, seconds)
    clear_progress()


def _poll(fired: Callable[[], int], count: int, start: float, seconds: float) -> None:
    while (so_far := fired()) < count and (elapsed := time.time() - start) < seconds:
        progress(so_far, count, max(0.0, elapsed))
        time.sleep(POLL_SECONDS)


def _lines(directory: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in directory.glob("effects-*.jsonl"))


def _schedule(stage: Stage, new: Sequence[NewEvent]) -> Sequence[ScheduledEvent]:
    with transaction.atomic(stage.using):
        return scheduling.schedule_events(new, actor="bench")


def _acknowledge(directory: Path, stored: Iterable[ScheduledEvent]) -> None:
    acknowledge(directory, (story.key_of(event.id, event.next_at) for event in stored))


def _directory(stage: Stage, name: str) -> Path:
    made = stage.directory / name
    made.mkdir()
    return made


def _civil_time(
    dice: random.Random, named: Sequence[tuple[str, ZoneInfo]], first: datetime, seconds: float
) -> CivilTime:
    """Choose a random instant, and the civil time that names it in a random zone."""
    moment = first + timedelta(seconds=dice.uniform(0, seconds))
    while True:
        name, zone = dice.choice(named)
        local = moment.astimezone(zone).replace(tzinfo=None, fold=0)
        kind, expected = by_hand(local, zone)
        # Not so in the second half of an overlap, whose civil times name the first.
        if expected == moment:
            return CivilTime(local, name, "first", kind, expected)


def _zones_in_use() -> tuple[tuple[str, ZoneInfo], ...]:
    database = zones.current()
    return read_zones(Path(database.folder), database.names)
