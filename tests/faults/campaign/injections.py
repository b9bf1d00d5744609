"""What is broken, how, and for how long; each leaves everything whole behind it.

An injection gives the ids of the events that it can delay; None: any.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress

import psycopg

from duly.engine.floor import FULL_LOOK_SECONDS
from tests.faults.campaign.logs import FAILPOINT_VARIABLE, WITHOUT_VARIABLE
from tests.faults.campaign.site import LEASE_SECONDS, Site
from tests.faults.wall_clock import WallClock

START_SECONDS = 2.5
LOCK_SECONDS = 30.0
# What an engine has no handler for is looked at again no sooner.
PARK_SECONDS = 5.0
SWARM = 5
DOOMED = 3
STATEMENTS = (
    "claim_due",
    "claim_waking",
    "start",
    "finish",
    "extend",
    "rescue_expired",
    "lock_due",
    "give_birth",
    "commit",
    "handler",
)
# These are the workers', where there are some.
OF_ATTEMPTS = frozenset({"start", "finish", "handler"})
FAILPOINTS = [f"{name}:{moment}" for name in STATEMENTS for moment in ("before", "after")]

Reach = frozenset[str] | None
Injection = Callable[[Site, random.Random], Reach]


def kill(site: Site, dice: random.Random) -> Reach:
    """SIGKILL an engine, and start another."""
    victim = dice.choice(site.engines)
    victim.kill()
    victim.wait()
    return None


def freeze(site: Site, dice: random.Random) -> Reach:
    """SIGSTOP an engine until its leases have run out, and let it go on."""
    victim = dice.choice(site.engines)
    victim.send_signal(signal.SIGSTOP)
    time.sleep(LEASE_SECONDS + dice.uniform(0.5, 2.0))
    victim.send_signal(signal.SIGCONT)
    return None


def replace_engine(site: Site, dice: random.Random) -> Reach:
    """A deploy: one more joins, and another leaves with SIGTERM."""
    site.start_engine()
    time.sleep(1)
    dice.choice(site.engines[:-1]).terminate()
    return None


def swarm(site: Site, dice: random.Random) -> Reach:
    """Many engines join at once, and leave one after the other, killed or told to."""
    joined = [site.start_engine() for _ in range(SWARM)]
    time.sleep(START_SECONDS)
    for engine in joined:
        dice.choice([engine.kill, engine.terminate])()
        time.sleep(0.2)
    for engine in joined:
        engine.wait(20)
    return None


def failpoint(site: Site, dice: random.Random) -> Reach:
    """Start engines that kill themselves around a statement each."""
    known = FAILPOINTS
    if site.crew is not None:
        known = [point for point in known if point.partition(":")[0] not in OF_ATTEMPTS]
    points = [site.next_point(known, dice) for _ in range(DOOMED)]
    doomed = [
        site.start_engine("direct", {FAILPOINT_VARIABLE: f"{point}:{dice.randint(1, 4)}"})
        for point in points
    ]
    end = time.monotonic() + 10
    for engine in doomed:
        try:
            engine.wait(max(0.1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            engine.kill()  # It never came to that moment so often.
            engine.wait()
    return None


def old_release(site: Site, dice: random.Random) -> Reach:
    """A rolling deploy: an engine that does not know one of the types yet."""
    engine = site.start_engine(variables={WITHOUT_VARIABLE: "steady"})
    time.sleep(START_SECONDS + 3)
    engine.terminate()
    engine.wait(20)
    time.sleep(PARK_SECONDS)
    return None


def crash_database(site: Site, dice: random.Random) -> Reach:
    """Stop PostgreSQL as a crash would, and start it again after a while."""
    assert site.server is not None
    site.server.stop("immediate")
    time.sleep(dice.uniform(0.1, 1.5))
    site.server.start()
    return None


def drop_connections(site: Site, dice: random.Random) -> Reach:
    """End every connection to the database at once."""
    with site.admin() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
    return None


def read_only(site: Site, dice: random.Random) -> Reach:
    """Refuse every write for a while."""
    with site.admin() as connection:
        connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        connection.execute("SELECT pg_reload_conf()")
        time.sleep(dice.uniform(1.0, 3.0))
        connection.execute("SET default_transaction_read_only = off")
        connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
        connection.execute("SELECT pg_reload_conf()")
    return None


def lock_rows(site: Site, dice: random.Random) -> Reach:
    """Hold locks on rows that are about to come due, for long."""
    locked: Reach = frozenset()
    # Where the database crashes meanwhile, the locks are gone.
    with suppress(psycopg.OperationalError), site.admin() as connection, connection.transaction():
        rows = connection.execute(
            "SELECT id FROM duly_scheduledevent WHERE next_at IS NOT NULL"
            " ORDER BY next_at LIMIT 20 FOR UPDATE SKIP LOCKED"
        ).fetchall()
        locked = frozenset(str(row[0]) for row in rows)
        end = time.monotonic() + LOCK_SECONDS
        while time.monotonic() < end and not site.over.wait(0.5):
            connection.execute("SELECT 1")
    return locked


def old_transaction(site: Site, dice: random.Random) -> Reach:
    """Leave a transaction open to the end: its snapshot keeps every dead row from being cleaned."""
    while not site.over.is_set():
        with suppress(psycopg.OperationalError), site.admin() as connection:
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            connection.execute("SELECT count(*) FROM duly_occurrence")
            while not site.over.wait(1.0):
                if connection.broken:
                    break
        site.over.wait(0.2)
    return frozenset()


def partition(site: Site, dice: random.Random) -> Reach:
    """Hang an engine's connections in a proxy that takes them, and answers nothing."""
    return _through_proxy(site, "hang", dice.uniform(1.0, LEASE_SECONDS + 2.0))


def reset(site: Site, dice: random.Random) -> Reach:
    """Reset an engine's connections."""
    return _through_proxy(site, "reset", 0.5)


def cut_commit(site: Site, dice: random.Random) -> Reach:
    """Break connections just before, or just after, a COMMIT reaches the server."""
    return _through_proxy(site, dice.choice(["cut_before_commit", "cut_after_commit"]), 1.5)


def _through_proxy(site: Site, mode: str, seconds: float) -> Reach:
    assert site.proxy is not None
    engine = site.start_engine("proxy")
    time.sleep(START_SECONDS)
    site.proxy.mode = mode  # type: ignore[assignment]
    time.sleep(seconds)
    site.proxy.mode = "pass"
    time.sleep(0.5)
    engine.kill()
    engine.wait()
    return None


def pull_cable(site: Site, dice: random.Random) -> Reach:
    """Cut an engine's network off: packets vanish. It stays for the rest of the campaign."""
    assert site.namespace is not None
    site.start_engine("namespace")
    time.sleep(START_SECONDS)
    site.namespace.pull()
    time.sleep(LEASE_SECONDS + dice.uniform(1.0, 5.0))
    site.namespace.plug()
    return None


def kill_pooler(site: Site, dice: random.Random) -> Reach:
    """End the pooler with every connection through it, and start it again."""
    assert site.pooler is not None
    site.pooler.kill()
    time.sleep(dice.uniform(0.1, 1.0))
    site.pooler.start()
    return None


def fill_disk(site: Site, dice: random.Random) -> Reach:
    """Leave the ledger no room to grow for a while."""
    assert site.disk is not None
    site.disk.fill()
    time.sleep(dice.uniform(1.0, 3.0))
    site.disk.free()
    return None


def upgrade_zones(site: Site, dice: random.Random) -> Reach:
    """Install another release of the time zone data under everything that runs."""
    site.upgrade_zones()
    subprocess.run(
        [sys.executable, "-m", "duly", "tzdata", "apply"],
        env=site.environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return frozenset()


def skew_clock(site: Site, dice: random.Random) -> Reach:
    """Let engines join whose hosts are minutes ahead and behind; excuses nothing."""
    seconds = dice.uniform(60.0, 600.0)
    with WallClock(seconds) as ahead, WallClock(-seconds) as behind:
        engines = [site.start_engine(variables=clock.environment) for clock in (ahead, behind)]
        time.sleep(START_SECONDS + dice.uniform(2.0, 4.0))
        for engine in engines:
            engine.terminate()
        for engine in engines:
            engine.wait(20)
    return frozenset()


def step_clock(site: Site, dice: random.Random) -> Reach:
    """Step the clock of an engine's host by minutes and hours while it works; excuses nothing."""
    with WallClock() as clock:
        engine = site.start_engine(variables=clock.environment)
        time.sleep(START_SECONDS)
        for _ in range(4):
            clock.step(dice.choice([-1, 1]) * dice.choice([300.0, 18_000.0]))
            time.sleep(dice.uniform(0.3, 1.0))
        engine.terminate()
        engine.wait(20)
    return frozenset()


EVERYWHERE: list[Injection] = [kill, freeze, replace_engine, swarm, kill, failpoint]
ON_POSTGRES: list[Injection] = [
    upgrade_zones,
    old_transaction,
    lock_rows,
    *EVERYWHERE,
    crash_database,
    old_release,
    failpoint,
    drop_connections,
    partition,
    read_only,
    failpoint,
    reset,
    cut_commit,
    failpoint,
]
# What somebody else had locked is found by the next full look, as what a dead engine held is found
# when its lease has run out: so much longer than that may the former take.
SLOWER: dict[Injection, float] = {lock_rows: max(0.0, FULL_LOOK_SECONDS - LEASE_SECONDS)}
BACKGROUND: frozenset[Injection] = frozenset({old_transaction, lock_rows, old_release})
"""These go on while others break something else."""
ONCE: frozenset[Injection] = frozenset({upgrade_zones, old_transaction})


def possible(site: Site) -> list[Injection]:
    """Give what can be broken here."""
    if site.server is None:
        return list(EVERYWHERE)
    kinds = list(ON_POSTGRES)
    if site.pooler is not None:
        kinds.append(kill_pooler)
    if site.namespace is not None:
        kinds.append(pull_cable)
    if site.disk is not None:
        kinds.append(fill_disk)
    if "clock" not in site.left_out:
        kinds += [skew_clock, step_clock]
    return kinds
