"""The engines of a campaign, the database that they run on, and what lies between."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from subprocess import Popen
from typing import Literal

import psycopg

from duly.civil.tzdata import WHEEL, ZoneDatabase
from duly.testing.servers import PostgresServer
from tests import releases
from tests.faults import wall_clock
from tests.faults.campaign import disk, logs, network
from tests.faults.campaign.brokers import QUEUE, BrokerName, open_broker
from tests.faults.campaign.crew import Crew
from tests.faults.campaign.disk import SmallDisk
from tests.faults.campaign.network import Namespace, Pooler
from tests.faults.campaign.proxy import Proxy

LEASE_SECONDS = 3.0
ENGINES = 3
# Room for the ledger of a campaign of 20,000 events.
DISK_MEGABYTES = 160
# Every so many engines are connected through the pooler.
POOLED = 3

HANDLERS = "tests.faults.campaign.handlers"
HANDING_OVER = f"{HANDLERS},tests.faults.campaign.celery_app,tests.faults.campaign.doubled"
RUN = [sys.executable, "-m", "duly", "run"]
BEAT = [
    *(sys.executable, "-m", "celery", "-A", "tests.faults.campaign.celery_app", "beat"),
    *("-S", "duly.celery:Scheduler", "--pidfile=", "--loglevel=WARNING"),
]

Way = Literal["direct", "pooler", "proxy", "namespace"]
# What each cable of the namespace leads to.
TO_DATABASE, TO_BROKER = 0, 1


class Site:
    """Starts engines, and knows what can be broken here."""

    def __init__(
        self, folder: Path, database: str, stack: ExitStack, broker: BrokerName | None = None
    ) -> None:
        self.directory = folder
        self.broker = open_broker(broker, stack) if broker else None
        self.crew: Crew | None = None
        """The workers, where engines hand over to Celery."""
        self.bites: Counter[str] = Counter()
        """Of kinds of fault that may miss: how often they are known to have struck."""
        self.server: PostgresServer | None = None
        self.proxy: Proxy | None = None
        self.pooler: Pooler | None = None
        self.namespace: Namespace | None = None
        self.disk: SmallDisk | None = None
        moves_zones = database == "postgres" and broker is None
        self.zones = folder / "zoneinfo" if moves_zones else None
        self.left_out: dict[str, str] = {}
        """What cannot be broken here, each with its reason."""
        self.url = f"sqlite:///{folder / 'duly.sqlite3'}"
        self.engines: list[Popen[bytes]] = []
        self._points: dict[tuple[str, ...], list[str]] = {}
        self.over = threading.Event()
        """Set when nothing is to be broken any more."""
        self._number = count()
        if database == "postgres":
            self._build(stack)
        zones = {"DULY_TZDATA": str(self.zones)} if self.zones else {}
        self.environment = {
            **os.environ,
            **zones,
            "DJANGO_SETTINGS_MODULE": "duly.service.settings",
            "DULY_DATABASE_URL": self.url,
            "DULY_HANDLERS": HANDLERS,
            "DULY_LEASE_SECONDS": str(LEASE_SECONDS),
            "DULY_GRACE_SECONDS": "5",
            logs.DIRECTORY_VARIABLE: str(folder),
        }
        if self.broker is not None:
            self.environment |= {
                "DULY_HANDLERS": HANDING_OVER,
                "DULY_SERVICES": json.dumps({"default": {"target": "celery", "queue": QUEUE}}),
                logs.BROKER_VARIABLE: self.broker.url,
            }
            self.crew = Crew(folder, self.environment)
        stack.callback(self.end)

    def _build(self, stack: ExitStack) -> None:
        self.server = stack.enter_context(PostgresServer(durable=True))
        self.url = self.server.url
        self.proxy = Proxy(self.server.port)
        stack.callback(self.proxy.close)
        if self.zones is not None:
            old = releases.zoneinfo(releases.installed(releases.OLD_VERSION))
            releases.upgrade(self.zones, old)
        if reason := network.why_no_pooler():
            self.left_out["pooler"] = reason
        else:
            self.pooler = stack.enter_context(Pooler(self.url))
        if reason := network.why_no_namespace():
            self.left_out["namespace"] = reason
        else:
            ports = [self.server.port, *([self.broker.port] if self.broker else [])]
            self.namespace = stack.enter_context(Namespace(*ports))
        if reason := disk.why_no_small_disk():
            self.left_out["disk"] = reason
        else:
            self.disk = stack.enter_context(SmallDisk(DISK_MEGABYTES))
        if reason := wall_clock.why_not():
            self.left_out["clock"] = reason

    def start_engine(
        self, way: Way | None = None, variables: Mapping[str, str] | None = None
    ) -> Popen[bytes]:
        """Start an engine; it is not waited for.

        way: how it reaches the database; None: directly, or every so often through the pooler.
        """
        number = next(self._number)
        pooled = self.pooler is not None and number % POOLED == POOLED - 1
        way = way or ("pooler" if pooled else "direct")
        # Two of three are beats, where there is Celery.
        command = BEAT if self.broker and way == "direct" and number % ENGINES else RUN
        environment = {**self.environment, **(variables or {}), "DULY_DATABASE_URL": self._url(way)}
        if way == "namespace" and self.namespace is not None:
            command = self.namespace.within(command)
            environment |= self.inside()
        with (self.directory / "engines.log").open("ab") as log:
            engine = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        self.engines.append(engine)
        return engine

    def inside(self) -> dict[str, str]:
        """Give the variables that say how servers are reached from inside the namespace."""
        assert self.namespace is not None
        found = {"DULY_DATABASE_URL": self.namespace.url(self.url, TO_DATABASE)}
        if self.broker is not None:
            found[logs.BROKER_VARIABLE] = self.namespace.url(self.broker.url, TO_BROKER)
        return found

    def _url(self, way: Way) -> str:
        if way == "pooler" and self.pooler is not None:
            return self.pooler.url
        if way == "namespace" and self.namespace is not None:
            return self.namespace.url(self.url)
        if way == "proxy" and self.proxy is not None and self.server is not None:
            return self.url.replace(f":{self.server.port}/", f":{self.proxy.port}/")
        return self.url

    def admin(self) -> psycopg.Connection[tuple[object, ...]]:
        """Connect to the database, past everything that is broken."""
        return psycopg.connect(self.url, autocommit=True)

    def reap(self) -> None:
        """Forget engines that have ended, and have enough of them."""
        self.engines = [engine for engine in self.engines if engine.poll() is None]
        while len(self.engines) < ENGINES:
            self.start_engine()
        if self.crew is not None:
            self.crew.reap()

    def next_point(self, known: Sequence[str], dice: random.Random) -> str:
        """Draw a kill point; each comes up once before any comes up again."""
        left = self._points.setdefault(tuple(known), [])
        left += dice.sample(known, len(known)) if not left else []
        return left.pop()

    def upgrade_zones(self) -> None:
        """Write the present release of the zone data over the old one, as pip would."""
        assert self.zones is not None
        releases.upgrade(self.zones, ZoneDatabase(WHEEL).folder)

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
        if self.crew is not None:
            self.crew.end()
