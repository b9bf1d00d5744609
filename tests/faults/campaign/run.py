"""Direct a campaign: `python -m tests.faults.campaign.run --seed 7 --events 20000 --faults 40`.

Exit code 0 only where nothing was lost, early, doubled unmarked, out of nowhere or after a
cancel, and enough was judged.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.faults.campaign import logs
from tests.faults.campaign.injections import (
    BACKGROUND,
    ONCE,
    Injection,
    possible,
    upgrade_zones,
)
from tests.faults.campaign.judge import Fault, Verdict, broken_fences, judge
from tests.faults.campaign.site import ENGINES, LEASE_SECONDS, Site

# Events a second that drain from a storm at the least, on a machine that has other work.
STORM_RATE = 200.0
# An effect follows the end of a fault within a lease and a second, and a retry's wait.
BOUND_SECONDS = LEASE_SECONDS + 1.0
SETTLE_SECONDS = 60.0
TABLE = "CREATE TABLE campaign_effect (key text, attempt integer, at double precision)"
_LIVE = "SELECT count(*) FROM duly_occurrence WHERE wake_at IS NOT NULL"
_DUE = "SELECT count(*) FROM duly_scheduledevent WHERE next_at IS NOT NULL"
_ATOMIC = "SELECT key, attempt, at FROM campaign_effect"
_FACTS = """
SELECT occurrence_id, fact, attempt FROM duly_ledgerentry
WHERE occurrence_id IS NOT NULL ORDER BY occurrence_id, id
"""
_STARTED = """
SELECT o.event_id, o.due_at, o.attempt,
       (SELECT count(*) FROM duly_ledgerentry l
        WHERE l.occurrence_id = o.id AND l.event_id = o.event_id AND l.fact = 'started')
FROM duly_occurrence o
"""


@dataclass(frozen=True, slots=True)
class Campaign:
    """What is to be done."""

    seed: int
    events: int
    faults: int
    seconds: float
    database: str
    only: list[str] | None = None
    """Names of the faults to draw from; None: all."""
    bound: float = BOUND_SECONDS


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it."""

    verdict: Verdict
    faults: list[Fault]
    kill_points: Counter[str]
    possible: frozenset[str]
    """The kinds of fault that this machine allows."""
    left_out: dict[str, str]
    """What could not be broken on this machine, each with its reason."""

    @property
    def broken(self) -> frozenset[str]:
        """The kinds of fault that there were."""
        return frozenset(fault.name for fault in self.faults)


def direct(campaign: Campaign) -> Outcome:
    """Run it from beginning to end."""
    os.environ[logs.ORIGIN_VARIABLE] = str(time.time() - time.clock_gettime(time.CLOCK_MONOTONIC))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="duly-campaign-")))
        site = Site(folder, campaign.database, stack)
        _migrate(site)
        for _ in range(ENGINES):
            site.start_engine()
        load = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.faults.campaign.workload"),
                *(str(campaign.seed), str(campaign.events), str(campaign.seconds)),
            ],
            env=site.environment,
        )
        faults = _break_things(campaign, site)
        assert load.wait(300) == 0, "the load did not come to its end"
        _settle(site)
        site.end()
        return _judged(campaign, site, faults)


def _migrate(site: Site) -> None:
    command = "import django; django.setup(); from django.core.management import call_command;"
    command += "call_command('migrate', verbosity=0)"
    environment = site.environment | {"DULY_HANDLERS": ""}
    subprocess.run([sys.executable, "-c", command], env=environment, check=True)
    _execute(site, TABLE)
    if site.disk is not None:
        _execute(site, f"CREATE TABLESPACE small LOCATION '{site.disk.path}'")
        _execute(site, "ALTER TABLE duly_ledgerentry SET TABLESPACE small")


def _break_things(campaign: Campaign, site: Site) -> list[Fault]:
    """Break one thing after the other, spread over the time in which events come due."""
    dice = random.Random(campaign.seed)
    faults: list[Fault] = []

    def record(inject: Injection, its_dice: random.Random) -> None:
        begun = logs.now()
        reach = inject(site, its_dice)
        faults.append(Fault(inject.__name__, begun, logs.now(), reach))

    begun, behind = time.monotonic(), []
    for number, inject in enumerate(_drawn(campaign, possible(site), dice)):
        at = begun + 2 + campaign.seconds * number / campaign.faults
        time.sleep(max(0.0, at - time.monotonic()))
        its_dice = random.Random(dice.random())
        if inject in BACKGROUND:
            behind.append(threading.Thread(target=record, args=(inject, its_dice)))
            behind[-1].start()
        else:
            record(inject, its_dice)
        site.reap()
    time.sleep(max(0.0, begun + campaign.seconds - time.monotonic()))
    site.over.set()
    for thread in behind:
        thread.join()
    return faults


def _drawn(campaign: Campaign, kinds: list[Injection], dice: random.Random) -> Iterator[Injection]:
    """Give each kind once, in an order that the seed says, and then any."""
    if campaign.only:
        # The load counts on the upgrade: without it what it moves is not due yet, and "lost".
        names = {*campaign.only, upgrade_zones.__name__}
        kinds = [kind for kind in kinds if kind.__name__ in names]
    # What is done once goes on from the beginning, or has its effect in the second half.
    first = [kind for kind in kinds if kind in ONCE]
    again = [kind for kind in kinds if kind not in ONCE]
    order = [*first, *dice.sample(again, len(again))]
    for number in range(campaign.faults):
        yield order[number] if number < len(order) else dice.choice(again)


def _settle(site: Site) -> None:
    """Wait until nothing is left to do."""
    end = time.monotonic() + SETTLE_SECONDS
    while _value(site, _LIVE) or _value(site, _DUE):
        if time.monotonic() > end:
            return
        site.reap()
        time.sleep(0.5)


def _judged(campaign: Campaign, site: Site, faults: list[Fault]) -> Outcome:
    acks = list(logs.lines(site.directory, "acks"))
    storms = [
        Fault("storm", ack["due"], ack["due"] + ack["count"] / STORM_RATE)
        for ack in acks
        if ack["op"] == "storm"
    ]
    unsure = {ack["key"] for ack in acks if ack["op"] == "maybe_cancelled"}
    effects = list(logs.lines(site.directory, "effects"))
    verdict = judge(
        [ack for ack in acks if ack.get("key") not in unsure],
        [effect for effect in effects if effect["key"] not in unsure],
        [
            row
            for row in _rows(site, "SELECT key, attempt, at FROM campaign_effect")
            if row[0] not in unsure
        ],
        [*faults, *storms],
        bound=campaign.bound,
    )
    if left := _value(site, _LIVE) + _value(site, _DUE):
        verdict.unfinished.append(f"{left} rows")
    facts = _rows(site, _FACTS)
    verdict.fence_broken += broken_fences((str(row[0]), row[1], row[2]) for row in facts)
    for event_id, due_at, attempt, started in _rows(site, _STARTED):
        if attempt != started:
            verdict.ledger_disagrees.append(f"{event_id} {due_at}: {attempt} and {started}")
    points = Counter(
        line["point"].rpartition(":")[0] for line in logs.lines(site.directory, "failpoints")
    )
    kinds = frozenset(kind.__name__ for kind in possible(site))
    return Outcome(verdict, faults, points, kinds, site.left_out)


def _rows(site: Site, statement: str) -> list[Any]:
    if site.server is None:
        path = site.url.removeprefix("sqlite:///")
        with sqlite3.connect(path, timeout=20) as connection:
            return connection.execute(statement).fetchall()
    with psycopg.connect(site.url) as connection:
        return connection.execute(statement).fetchall()


def _value(site: Site, statement: str) -> int:
    return int(_rows(site, statement)[0][0])


def _execute(site: Site, statement: str) -> None:
    if site.server is None:
        with sqlite3.connect(site.url.removeprefix("sqlite:///")) as connection:
            connection.execute(statement)
        return
    with psycopg.connect(site.url, autocommit=True) as connection:
        connection.execute(statement)


def told(campaign: Campaign, outcome: Outcome) -> str:
    """Say what came of it, in lines."""
    verdict = outcome.verdict
    lines = [
        f"seed {campaign.seed}, {campaign.database}: {verdict.acknowledged} occurrences "
        f"acknowledged, {verdict.effects} effects, {len(outcome.faults)} faults",
        f"faults: {json.dumps(Counter(fault.name for fault in outcome.faults))}",
        f"killed at: {json.dumps(outcome.kill_points)}",
        f"violations: {json.dumps(verdict.violations)}",
        f"marked duplicates: {verdict.marked_duplicates}",
        "slowest recovery, seconds after the end of a fault: "
        + ", ".join(f"{name} {seconds:.2f}" for name, seconds in sorted(verdict.recovery.items())),
        *(f"left out: {what}: {reason}" for what, reason in outcome.left_out.items()),
    ]
    quiet = sorted(verdict.quiet_lateness)
    if quiet:
        middle, high = quiet[len(quiet) // 2], quiet[int(len(quiet) * 0.99)]
        lines.append(f"lateness while nothing was broken: p50 {middle:.4f} s, p99 {high:.4f} s")
    for name in verdict.violations:
        lines += [f"{name}: {one}" for one in getattr(verdict, name)[:5]]
    return "\n".join([*lines, "PASS" if verdict.passed else "FAIL"])


def main() -> int:
    """Run the campaign that the command line describes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--faults", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=220.0)
    parser.add_argument("--only", metavar="KIND", action="append", help="faults of this kind only")
    parser.add_argument("--database", choices=("postgres", "sqlite"), default="postgres")
    campaign = Campaign(**vars(parser.parse_args()))
    print(f"seed {campaign.seed}", flush=True)
    outcome = direct(campaign)
    print(told(campaign, outcome))
    return 0 if outcome.verdict.passed else 1


if __name__ == "__main__":
    sys.exit(main())
