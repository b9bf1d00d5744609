"""Wall clocks that are wrong, or stepped: of the engines' host, and of the database's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import psycopg
import pytest

from duly.testing.servers import PostgresServer
from tests.faults.engines import EngineProcesses, eventually
from tests.faults.wall_clock import WallClock, why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

MINUTES = 300.0
HOURS = 5 * 3600.0
# A step is told within a poll (half a second) of its host's clock.
TOLD_SECONDS = 2.0
CONFIRM_SECONDS = 3.0

SETUP = """
import json, sys
from datetime import UTC, datetime, timedelta
import django
django.setup()
from django.core.management import call_command
import duly
from duly import At, Cron, Every, NewEvent, clock
from duly.conf import config
call_command("migrate", verbosity=0)
"""
SCHEDULE = """
first, every, count, payload = map(float, sys.argv[1:])
now = clock.now(config().database)
dues = [now + timedelta(seconds=first + n * every) for n in range(int(count))]
new = [NewEvent("probe", At.instant(due), payload=payload) for due in dues]
for event in duly.schedule_events(new):
    print(f"{event.id}:{event.next_at.isoformat()}")
"""
WAITS = """
import threading, time
lock, changed = threading.Lock(), threading.Condition()
lock.acquire()
changed.acquire()
print(time.time(), flush=True)
for wait in threading.Event().wait, changed.wait, time.sleep, lambda s: lock.acquire(timeout=s):
    began = time.monotonic()
    wait(0.5)
    print(time.monotonic() - began)
"""


@dataclass
class Site:
    """Engines, and the clock that is wrong: their database's, or their host's."""

    url: str
    clock: WallClock
    engines: EngineProcesses
    of_engines: dict[str, str]
    """The environment in which `clock` is the host's; empty where it is the database's alone."""

    def start(self, **environment: str) -> None:
        """Start an engine."""
        self.engines.start(**self.of_engines, **environment)

    def run(self, code: str, *arguments: float) -> str:
        """Run a script on the database; gives what it printed."""
        return run_script(self.url, SETUP + code, *map(repr, arguments), **self.of_engines)

    def schedule(self, first: float, every: float, count: int, payload: float = 0) -> set[str]:
        """Schedule events, due so far after the database's present time; gives their keys."""
        return set(self.run(SCHEDULE, first, every, count, payload).split())


def run_script(url: str, code: str, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=os.environ
        | {"DJANGO_SETTINGS_MODULE": "duly.service.settings", "DULY_DATABASE_URL": url}
        | environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


# Each waits for a quarter of a minute: on SQLite with the campaigns.
@pytest.fixture(params=["postgres", pytest.param("sqlite", marks=pytest.mark.campaign)])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        clock = stack.enter_context(WallClock())
        if request.param == "postgres":
            server = stack.enter_context(PostgresServer(environment=clock.environment))
            url, of_engines = server.url, {}
        else:
            url, of_engines = f"sqlite:///{tmp_path / 'duly.sqlite3'}", clock.environment
        engines = EngineProcesses(url, tmp_path)
        stack.callback(engines.end)
        yield Site(url, clock, engines, of_engines)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Site]:
    """Give a site where `clock` is that of the host, and the database has another, right one."""
    with WallClock() as clock, PostgresServer() as server:
        engines = EngineProcesses(server.url, tmp_path)
        try:
            yield Site(server.url, clock, engines, clock.environment)
        finally:
            engines.end()


def punctual(effects: list[dict[str, Any]]) -> bool:
    return all(0 <= effect["lateness"] < 1.0 for effect in effects)


def keys(engines: EngineProcesses) -> list[str]:
    return sorted(effect["key"] for effect in engines.effects())


def has_fired(engines: EngineProcesses, count: int) -> bool:
    return len(engines.effects()) >= count


def has_told(engines: EngineProcesses, name: str, count: int) -> bool:
    return len(engines.said(name)) >= count


def test_waits_keep_their_length_whatever_the_wall_clock_does() -> None:
    steps = cycle([HOURS, -HOURS, MINUTES, -MINUTES])
    with (
        WallClock(MINUTES) as clock,
        subprocess.Popen(
            [sys.executable, "-c", WAITS],
            env=os.environ | clock.environment,
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        assert float(process.stdout.readline()) - time.time() == pytest.approx(MINUTES, abs=1)
        while process.poll() is None:
            clock.set(next(steps))
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
        took = [float(line) for line in process.stdout]

    assert len(took) == 4
    assert 0.49 < min(took) <= max(took) < 1.0


@pytest.mark.parametrize("offset", [-MINUTES, MINUTES])
def test_an_engine_whose_host_is_minutes_off_fires_at_the_right_instant_and_says_so(
    host: Site, offset: float
) -> None:
    host.clock.set(offset)
    host.start()

    acknowledged = host.schedule(1.0, 0.2, 5)

    eventually(partial(has_fired, host.engines, 5), 15, "an effect of every event")
    assert set(keys(host.engines)) == acknowledged
    assert punctual(host.engines.effects())
    told = [fields["offset_seconds"] for fields in host.engines.said("clock.offset")]
    assert told == [pytest.approx(offset, abs=1)]
    assert host.engines.said("clock.jumped") == []


def test_an_engine_whose_host_is_stepped_while_it_holds_timers_fires_at_the_right_instants(
    host: Site,
) -> None:
    steps = [MINUTES, -MINUTES, HOURS, -HOURS]
    host.start()
    acknowledged = host.schedule(1.0, 0.1, 80)

    for number, offset in enumerate(steps, 1):
        # In the midst of them: some have fired, and as many as the horizon holds are timers.
        eventually(partial(has_fired, host.engines, 12 * number), 15, "the next effects")
        host.clock.set(offset)
        told = partial(has_told, host.engines, "clock.offset", number)
        eventually(told, TOLD_SECONDS, f"step {number} being told")

    eventually(partial(has_fired, host.engines, 80), 15, "an effect of every event")
    assert keys(host.engines) == sorted(acknowledged)
    assert punctual(host.engines.effects())
    told_offsets = [fields["offset_seconds"] for fields in host.engines.said("clock.offset")]
    assert told_offsets == [pytest.approx(offset, abs=1) for offset in steps]


@pytest.mark.parametrize("jump", [-MINUTES, MINUTES])
def test_a_database_clock_that_is_wrong_for_a_moment_fires_nothing_early_or_twice(
    site: Site, jump: float
) -> None:
    for _ in range(2):
        site.start()
    long = site.schedule(0.0, 0.0, 1, payload=9.0)
    acknowledged = long | site.schedule(2.0, 0.2, 30)
    eventually(partial(has_fired, site.engines, 5), 15, "the first effects")

    site.clock.set(jump)
    eventually(partial(has_told, site.engines, "clock.jumped", 2), 3, "both engines' doubt")
    # Longer than a lease: whoever judged one by this clock would take over what runs.
    time.sleep(3.0)
    site.clock.set(0.0)
    healed = time.time()

    eventually(partial(has_told, site.engines, "clock.settled", 2), 3, "an end of the doubt")
    eventually(partial(has_fired, site.engines, 31), 15, "an effect of every event")
    assert keys(site.engines) == sorted(acknowledged)
    effects = site.engines.effects()
    assert {effect["attempt"] for effect in effects} == {1}
    assert min(effect["lateness"] for effect in effects) >= 0
    if jump > 0:
        assert punctual([effect for effect in effects if effect["key"] not in long])
    late = [one for one in effects if _fired(one) > healed + 2 and one["lateness"] >= 1]
    assert late == [], "the engines did not come back with the clock"


def _fired(effect: dict[str, Any]) -> float:
    due = datetime.fromisoformat(effect["key"].partition(":")[2]).timestamp()
    return float(due + effect["lateness"])


def test_a_database_clock_that_stays_ahead_is_believed_and_what_it_makes_due_fires_then(
    site: Site,
) -> None:
    for _ in range(2):
        site.start(PROBE_CONFIRM_SECONDS=str(CONFIRM_SECONDS))
    long = site.schedule(0.0, 0.0, 1, payload=12.0)
    eventually(lambda: keys(site.engines) == sorted(long), 10, "the long one")
    made_due = site.schedule(MINUTES, 0.0, 10)

    site.clock.set(MINUTES)
    stepped = time.time()

    eventually(partial(has_fired, site.engines, 11), 15, "what has become due")
    eventually(partial(has_told, site.engines, "clock.settled", 2), 5, "both engines' belief")
    effects = site.engines.effects()
    assert keys(site.engines) == sorted(long | made_due)
    fired = [_fired(effect) for effect in effects if effect["key"] in made_due]
    assert stepped + CONFIRM_SECONDS <= min(fired) <= max(fired) < stepped + CONFIRM_SECONDS + 3
    told = [fields["offset_seconds"] for fields in site.engines.said("clock.settled")]
    assert told == [pytest.approx(MINUTES, abs=1)] * 2
    # Neither declared the other dead, whose lease is of the old time.
    eventually(lambda: _statuses(site) == {"succeeded": 11}, 20, "an end of the long one")
    assert {effect["attempt"] for effect in site.engines.effects()} == {1}


def test_a_database_clock_that_stays_behind_is_believed_and_what_is_due_by_it_fires(
    site: Site,
) -> None:
    for _ in range(2):
        # Claims are held as timers for seconds, of which a poll is a small part.
        site.start(
            PROBE_CONFIRM_SECONDS=str(CONFIRM_SECONDS),
            DULY_LEASE_SECONDS="6",
            DULY_HORIZON_SECONDS="3",
        )
    long = site.schedule(0.0, 0.0, 1, payload=12.0)
    eventually(lambda: keys(site.engines) == sorted(long), 10, "the long one")
    put_off = site.schedule(1.5, 0.05, 60)
    eventually(partial(has_fired, site.engines, 3), 10, "some that are due by the old time")

    site.clock.set(-MINUTES)
    stepped = time.time()
    eventually(partial(has_told, site.engines, "clock.settled", 2), 10, "both engines' belief")
    fresh = site.schedule(2.0, 0.1, 10)

    eventually(lambda: set(keys(site.engines)) >= fresh, 10, "what is due by the new time")
    effects = {effect["key"]: effect for effect in site.engines.effects()}
    assert effects.keys() <= long | put_off | fresh
    assert not effects.keys() >= put_off
    # Timers too are put off, once a poll has noticed.
    assert all(_fired(effects[key]) < stepped + 1.5 for key in put_off & effects.keys())
    assert all(0 <= effects[key]["lateness"] - MINUTES < 1 for key in fresh)
    ended = len(effects)
    eventually(lambda: _statuses(site)["succeeded"] == ended, 20, "an end of the long one")
    assert {effect["attempt"] for effect in site.engines.effects()} == {1}


def _statuses(site: Site) -> dict[str, int]:
    return {status: int(count) for status, count in json.loads(site.run(_STATUSES)).items()}


_STATUSES = """
from collections import Counter
from duly.models import Occurrence
print(json.dumps(Counter(Occurrence.objects.values_list("status", flat=True))))
"""


# Each event, and which of its instants fire, in UTC; then, how many are told as missed.
# Everything is down from 00:20 to 03:20.
HALF_HOURS = "Every(timedelta(minutes=30), anchor=datetime.fromisoformat(day + 'T00:15Z'))"
DAILY = "Cron('30 2 * * *', tz='Europe/Berlin', {})"
AT = "At(day + 'T02:30', 'Europe/Berlin', {})"
Fires = dict[str, tuple[str, int]]
DOWN: Fires = {
    f"{HALF_HOURS}, catch_up='all'": ("00:45 01:15 01:45 02:15 02:45 03:15", 0),
    f"{HALF_HOURS}, catch_up='all', catch_up_limit=2": ("02:45 03:15", 4),
    f"{HALF_HOURS}, catch_up='all', catch_up_window=3600": ("02:45 03:15", 4),
    f"{HALF_HOURS}, catch_up='latest'": ("03:15", 5),
    f"{HALF_HOURS}, catch_up='earliest'": ("00:45", 5),
    f"{HALF_HOURS}, catch_up='none'": ("", 6),
}
DOWN_OVER_GAP: Fires = DOWN | {
    DAILY.format("gap='shift'"): ("01:30", 0),
    DAILY.format("gap='next_valid'"): ("01:00", 0),
    DAILY.format("gap='earlier'"): ("00:30", 0),
    DAILY.format("gap='skip'"): ("", 0),
    DAILY.format("gap='shift'") + ", catch_up='none'": ("", 1),
    AT.format("gap='shift'"): ("01:30", 0),
}
DOWN_OVER_OVERLAP: Fires = DOWN | {
    DAILY.format("fold='first'"): ("00:30", 0),
    DAILY.format("fold='second'"): ("01:30", 0),
    DAILY.format("fold='both'") + ", catch_up='all'": ("00:30 01:30", 0),
    DAILY.format("fold='both'") + ", catch_up='latest'": ("01:30", 1),
    DAILY.format("fold='both'") + ", catch_up='earliest'": ("00:30", 1),
    DAILY.format("fold='both'") + ", catch_up='none'": ("", 2),
    AT.format("fold='second'"): ("01:30", 0),
}
BEFORE = """
event = duly.schedule_event("probe", At.instant(clock.now(config().database)), payload=0)
print(event.id)
day = sys.argv[1]
"""
LEFT = """
SELECT (SELECT count(*) FROM duly_scheduledevent WHERE next_at <= clock_timestamp())
     + (SELECT count(*) FROM duly_occurrence WHERE wake_at IS NOT NULL)
"""
MISSED = """
SELECT event_id::text, sum((data->>'count')::int) FROM duly_ledgerentry
WHERE fact = 'missed' GROUP BY event_id
"""


@pytest.mark.parametrize(
    ("day", "fires"),
    [
        pytest.param("2027-03-28", DOWN_OVER_GAP, id="clocks-go-ahead"),
        pytest.param("2026-10-25", DOWN_OVER_OVERLAP, id="clocks-go-back"),
    ],
)
def test_what_was_due_while_all_was_down_over_a_change_of_the_clocks_fires_as_its_policies_say(
    tmp_path: Path, day: str, fires: Fires
) -> None:
    """Berlin's clocks change at 01:00 UTC: from 02:00 to 03:00, and from 03:00 to 02:00."""
    lines = [f"print(duly.schedule_event('probe', {event}, payload=0).id)\n" for event in fires]
    start = datetime.fromisoformat(f"{day}T00:19:50+00:00").timestamp()
    with (
        WallClock(start - time.time()) as clock,
        PostgresServer(environment=clock.environment) as server,
    ):
        engines = EngineProcesses(server.url, tmp_path)
        try:
            code = SETUP + BEFORE + "".join(lines)
            before, *ids = run_script(server.url, code, day, **clock.environment).split()
            engine = engines.start(**clock.environment)
            eventually(lambda: len(engines.effects()) == 1, 10, "an effect before all is down")
            engines.kill(engine)
            server.stop()

            clock.step(3 * 3600)
            server.start()
            engines.start(**clock.environment)

            with psycopg.connect(server.url, autocommit=True) as connection:
                eventually(lambda: connection.execute(LEFT).fetchone() == (0,), 30, "an end")
                missed: dict[str, int] = dict(connection.execute(MISSED).fetchall())
        finally:
            engines.end()
    fired = defaultdict(list)
    for key in keys(engines):
        event, _, due = key.partition(":")
        fired[event].append(due)
    del fired[before]
    assert fired == {
        id_: [f"{day}T{time}:00+00:00" for time in times.split()]
        for id_, (times, _) in zip(ids, fires.values(), strict=True)
        if times
    }
    assert missed == {
        id_: count for id_, (_, count) in zip(ids, fires.values(), strict=True) if count
    }
