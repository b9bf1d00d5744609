"""What is broken, how, and for how long; each leaves everything whole behind it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

import psycopg

from duly.testing.servers import PostgresServer
from tests.faults.campaign.logs import DIRECTORY_VARIABLE, FAILPOINT_VARIABLE
from tests.faults.campaign.proxy import Proxy

LEASE_SECONDS = 3.0
START_SECONDS = 20.0
FAILPOINTS = [
    f"{name}:{moment}"
    for name in ("claim_due", "start", "finish", "rescue_expired", "lock_due", "give_birth")
    for moment in ("before", "after")
]


class Site:
    """The engines, and the database that they run on."""

    def __init__(
        self, url: str, directory: Path, server: PostgresServer | None, proxy: Proxy | None
    ) -> None:
        self.url = url
        self.directory = directory
        self.server = server
        self.proxy = proxy
        self.engines: list[Popen[bytes]] = []
        self.environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "duly.service.settings",
            "DULY_DATABASE_URL": url,
            "DULY_HANDLERS": "tests.faults.campaign.handlers",
            "DULY_LEASE_SECONDS": str(LEASE_SECONDS),
            "DULY_GRACE_SECONDS": "5",
            DIRECTORY_VARIABLE: str(directory),
        }

    def start_engine(self, *, failpoint: str = "", through_proxy: bool = False) -> Popen[bytes]:
        """Start an engine; it is not waited for."""
        environment = dict(self.environment)
        if failpoint:
            environment[FAILPOINT_VARIABLE] = failpoint
        if through_proxy and self.proxy is not None and self.server is not None:
            environment["DULY_DATABASE_URL"] = self.url.replace(
                f":{self.server.port}/", f":{self.proxy.port}/"
            )
        with (self.directory / "engines.log").open("ab") as log:
            engine = subprocess.Popen(
                [sys.executable, "-m", "duly", "run"], env=environment, stdout=log, stderr=log
            )
        self.engines.append(engine)
        return engine

    def reap(self) -> None:
        """Forget engines that have ended."""
        self.engines = [engine for engine in self.engines if engine.poll() is None]

    def end(self) -> None:
        """End every engine."""
        for engine in self.engines:
            engine.send_signal(signal.SIGCONT)
            engine.terminate()
        for engine in self.engines:
            try:
                engine.wait(15)
            except subprocess.TimeoutExpired:
                engine.kill()
                engine.wait()


def kill(site: Site, dice: random.Random) -> None:
    """SIGKILL an engine, and start another."""
    victim = dice.choice(site.engines)
    victim.kill()
    victim.wait()
    site.reap()
    site.start_engine()


def freeze(site: Site, dice: random.Random) -> None:
    """SIGSTOP an engine until its leases have run out, and let it go on."""
    victim = dice.choice(site.engines)
    victim.send_signal(signal.SIGSTOP)
    time.sleep(LEASE_SECONDS + dice.uniform(0.5, 2.0))
    victim.send_signal(signal.SIGCONT)


def replace_engine(site: Site, dice: random.Random) -> None:
    """A deploy: one more joins, and another leaves with SIGTERM."""
    site.start_engine()
    time.sleep(1)
    dice.choice(site.engines[:-1]).terminate()


def failpoint(site: Site, dice: random.Random) -> None:
    """Start an engine that kills itself around a statement, and one that does not."""
    doomed = site.start_engine(failpoint=f"{dice.choice(FAILPOINTS)}:{dice.randint(1, 6)}")
    try:
        doomed.wait(timeout=10)
    except subprocess.TimeoutExpired:
        doomed.kill()  # It never came to that moment so often.
        doomed.wait()
    site.reap()


def crash_database(site: Site, dice: random.Random) -> None:
    """Stop PostgreSQL as a crash would, and start it again after a while."""
    assert site.server is not None
    site.server.stop("immediate")
    time.sleep(dice.uniform(0.1, 1.5))
    site.server.start()


def drop_connections(site: Site, dice: random.Random) -> None:
    """End every connection to the database at once."""
    with _admin(site) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )


def read_only(site: Site, dice: random.Random) -> None:
    """Refuse every write for a while."""
    with _admin(site) as connection:
        connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        connection.execute("SELECT pg_reload_conf()")
        time.sleep(dice.uniform(1.0, 3.0))
        connection.execute("SET default_transaction_read_only = off")
        connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
        connection.execute("SELECT pg_reload_conf()")


def lock_rows(site: Site, dice: random.Random) -> None:
    """Hold locks on rows that are about to come due."""
    with _admin(site) as connection, connection.transaction():
        connection.execute(
            "SELECT 1 FROM duly_scheduledevent WHERE next_at IS NOT NULL"
            " ORDER BY next_at LIMIT 20 FOR UPDATE SKIP LOCKED"
        )
        time.sleep(dice.uniform(1.0, 4.0))


def partition(site: Site, dice: random.Random) -> None:
    """Cut an engine from its database: nothing comes through, and nobody is told."""
    _through_proxy(site, "hang", dice.uniform(1.0, LEASE_SECONDS + 2.0))


def reset(site: Site, dice: random.Random) -> None:
    """Reset an engine's connections."""
    _through_proxy(site, "reset", 0.5)


def cut_commit(site: Site, dice: random.Random) -> None:
    """Break connections just before, or just after, a COMMIT reaches the server."""
    _through_proxy(site, dice.choice(["cut_before_commit", "cut_after_commit"]), 1.5)


def _through_proxy(site: Site, mode: str, seconds: float) -> None:
    assert site.proxy is not None
    engine = site.start_engine(through_proxy=True)
    time.sleep(2.5)
    site.proxy.mode = mode  # type: ignore[assignment]
    time.sleep(seconds)
    site.proxy.mode = "pass"
    time.sleep(0.5)
    engine.kill()
    engine.wait()
    site.reap()


def _admin(site: Site) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(site.url, autocommit=True)


Injection = Callable[[Site, random.Random], None]
EVERYWHERE: list[Injection] = [kill, kill, freeze, replace_engine]
ON_POSTGRES: list[Injection] = [
    *EVERYWHERE,
    failpoint,
    failpoint,
    crash_database,
    drop_connections,
    read_only,
    lock_rows,
    partition,
    reset,
    cut_commit,
]
