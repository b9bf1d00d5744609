"""Direct a campaign: `python -m tests.faults.campaign.run --seed 7 --events 20000 --faults 40`.

Exit code 0 only where nothing was lost, early, doubled unmarked, out of nowhere or after a
cancel, and enough was judged.
"""

from __future__ import annotations

import argparse
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
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg

from tests.faults.campaign import logs
from tests.faults.campaign.brokers import why_no
from tests.faults.campaign.celery_injections import possible_with_celery
from tests.faults.campaign.crew import BEAT_SECONDS
from tests.faults.campaign.injections import (
    BACKGROUND,
    ONCE,
    SLOWER,
    Injection,
    possible,
    upgrade_zones,
)
from tests.faults.campaign.judge import Fault, broken_fences, judge
from tests.faults.campaign.outcome import CELERY_BOUND_SECONDS, Campaign, Outcome, told
from tests.faults.campaign.site import ENGINES, Site

# Events a second that drain from a storm at the least, on a machine that has other work.
STORM_RATE = 200.0
# Of a few workers of Celery.
CELERY_STORM_RATE = 40.0
BEGINNING_SECONDS = 60.0
SETTLE_SECONDS = 60.0
# What a broker lost at the end is missed after as long again as it was late.
CELERY_SETTLE_SECONDS = 150.0
TABLE = "CREATE TABLE campaign_effect (key text, attempt integer, at double precision)"
_LIVE = (
    "SELECT count(*) FROM duly_occurrence WHERE wake_at IS NOT NULL AND service <> 'celery.beat'"
)
_DUE = (
    "SELECT count(*) FROM duly_scheduledevent WHERE next_at IS NOT NULL"
    " AND service <> 'celery.beat'"
)
_ATOMIC = "SELECT key, attempt, at FROM campaign_effect"
_FACTS = """
SELECT occurrence_id, fact, attempt FROM duly_ledgerentry
WHERE occurrence_id IS NOT NULL ORDER BY occurrence_id, id
"""
_TICKS = """
SELECT o.due_at FROM duly_occurrence o JOIN duly_scheduledevent e ON e.id = o.event_id
WHERE e.service = 'celery.beat' AND e.key = 'tick' ORDER BY o.due_at
"""
_STARTED = """
SELECT o.event_id, o.due_at, o.attempt,
       (SELECT count(*) FROM duly_ledgerentry l
        WHERE l.occurrence_id = o.id AND l.event_id = o.event_id AND l.fact = 'started')
FROM duly_occurrence o
"""


def direct(campaign: Campaign) -> Outcome:
    """Run it from beginning to end."""
    os.environ[logs.ORIGIN_VARIABLE] = str(time.time() - time.clock_gettime(time.CLOCK_MONOTONIC))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="duly-campaign-")))
        site = Site(folder, campaign.database, stack, campaign.broker)
        _migrate(site)
        for _ in range(ENGINES):
            site.start_engine()
        if site.crew is not None:
            site.crew.reap()
            site.crew.await_ready()
        acks = logs.Tail(folder, "acks")
        load = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.faults.campaign.workload"),
                *(str(campaign.seed), str(campaign.events), str(campaign.seconds)),
            ],
            env=site.environment,
        )
        _await_beginning(acks, load)
        faults = _break_things(campaign, site)
        assert load.wait(300) == 0, "the load did not come to its end"
        _settle(site)
        site.end()
        return _judged(campaign, site, faults)


def _await_beginning(acks: logs.Tail, load: subprocess.Popen[bytes]) -> None:
    """Wait until the load knows how to live with faults, and there is something to lose."""
    end = time.monotonic() + BEGINNING_SECONDS
    while not any(line["op"] == "begun" for line in acks.new()):
        assert load.poll() is None, "the load ended before it had begun"
        assert time.monotonic() < end, "the load did not begin"
        time.sleep(0.05)


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
        healed = logs.now() + SLOWER.get(inject, 0.0)
        faults.append(Fault(inject.__name__, begun, healed, reach))

    begun, behind = time.monotonic(), []
    for number, inject in enumerate(_drawn(campaign, _kinds(campaign, site), dice)):
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


def _kinds(campaign: Campaign, site: Site) -> list[Injection]:
    """Give what is to be broken, of what can be broken here."""
    kinds = possible(site) if site.broker is None else possible_with_celery(site)
    if not campaign.only:
        return kinds
    # The load counts on the upgrade: without it what it moves is not due yet, and "lost".
    names = {*campaign.only, upgrade_zones.__name__}
    return [kind for kind in kinds if kind.__name__ in names]


def _drawn(campaign: Campaign, kinds: list[Injection], dice: random.Random) -> Iterator[Injection]:
    """Give each kind once, in an order that the seed says, and then any."""
    # What is done once goes on from the beginning, or has its effect in the second half.
    first = [kind for kind in kinds if kind in ONCE]
    again = [kind for kind in kinds if kind not in ONCE]
    order = [*first, *dice.sample(again, len(again))]
    for number in range(campaign.faults):
        yield order[number] if number < len(order) else dice.choice(again)


def _settle(site: Site) -> None:
    """Wait until nothing is left to do."""
    end = time.monotonic() + (CELERY_SETTLE_SECONDS if site.broker else SETTLE_SECONDS)
    while _value(site, _LIVE) or _value(site, _DUE):
        if time.monotonic() > end:
            return
        site.reap()
        time.sleep(0.5)


def _judged(campaign: Campaign, site: Site, faults: list[Fault]) -> Outcome:
    acks = list(logs.lines(site.directory, "acks"))
    rate = STORM_RATE if site.broker is None else CELERY_STORM_RATE
    storms = [
        Fault("storm", ack["due"], ack["due"] + ack["count"] / rate)
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
        # As `handed_for` says, with its steps.
        missed_after=1.25 if site.broker else 0.0,
    )
    if left := _value(site, _LIVE) + _value(site, _DUE):
        verdict.unfinished.append(f"{left} rows")
    ticks = [row[0] for row in _rows(site, _TICKS)] if site.broker else []
    for earlier, later in pairwise(ticks):
        if later - earlier != timedelta(seconds=BEAT_SECONDS):
            verdict.lost.append(f"ticks of beat between {earlier} and {later}")
    facts = _rows(site, _FACTS)
    verdict.fence_broken += broken_fences((str(row[0]), row[1], row[2]) for row in facts)
    for event_id, due_at, attempt, started in _rows(site, _STARTED):
        if attempt != started:
            verdict.ledger_disagrees.append(f"{event_id} {due_at}: {attempt} and {started}")
    points = Counter(
        line["point"].rpartition(":")[0] for line in logs.lines(site.directory, "failpoints")
    )
    messages: Counter[str] = Counter()
    for line in logs.lines(site.directory, "told"):
        messages[line["name"]] += line["count"]
    messages["ticks of beat"] = len(ticks)
    kinds = frozenset(kind.__name__ for kind in _kinds(campaign, site))
    return Outcome(verdict, faults, points, kinds, site.left_out, site.bites, messages)


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


def main() -> int:
    """Run the campaign that the command line describes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--faults", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=220.0)
    parser.add_argument("--only", metavar="KIND", action="append", help="faults of this kind only")
    parser.add_argument("--database", choices=("postgres", "sqlite"), default="postgres")
    parser.add_argument(
        "--broker", choices=("redis", "rabbitmq"), help="hand over to Celery's workers"
    )
    options = vars(parser.parse_args())
    if options["broker"]:
        if reason := why_no(options["broker"]):
            parser.error(reason)
        options["bound"] = CELERY_BOUND_SECONDS
    campaign = Campaign(**options)
    print(f"seed {campaign.seed}", flush=True)
    outcome = direct(campaign)
    print(told(campaign, outcome))
    return 0 if outcome.word == "PASS" else 1


if __name__ == "__main__":
    sys.exit(main())
