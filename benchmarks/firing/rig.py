"""Runs scenarios: everybody in turn, round by round, each in a place of its own."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import psycopg

from benchmarks.firing.contender import Peer
from benchmarks.firing.errors import PeerFailed
from benchmarks.firing.peers import PEERS
from benchmarks.firing.place import Place, Servers
from benchmarks.firing.results import Case, Column, Outcome, Row
from benchmarks.firing.sizes import Sizes
from duly.errors import DulyError
from tests.faults.campaign.network import Pooler

IN_MINIATURE = ("duly", "limit")


class Scenario(Protocol):
    """A module of `benchmarks.firing.scenarios`."""

    NAME: str
    TITLE: str
    COLUMNS: Sequence[Column]

    def cases(self, rig: Rig) -> list[Case]:
        """Give the rows of its table."""
        ...


@dataclass(slots=True)
class Rig:
    """What a scenario needs."""

    servers: Servers
    sizes: Sizes
    chosen: Sequence[str]
    rounds: int
    engine_options: Sequence[str] = ()
    """Of `duly run`."""
    is_pooled: bool = False
    """Whether the contenders' processes reach their database through pgbouncer."""
    _kept: dict[str, Place] = field(default_factory=dict)
    _left_out: dict[str, str] = field(default_factory=dict)
    _running: str = ""

    def peers(self, *names: str) -> list[type[Peer]]:
        """Give those of the named that were chosen and can run; notes why others cannot."""
        found = []
        for name in names:
            peer = PEERS[name]
            if name not in self.chosen:
                continue
            why = peer.missing()
            if self.sizes.is_miniature and self._running != "burst" and name not in IN_MINIATURE:
                why = why or "in miniature it takes part in the burst only"
            if peer.needs_redis and self.servers.redis is None:
                why = "no Redis can be started"
            if why:
                self._left_out[name] = why
            else:
                found.append(peer)
        return found

    def leave_out(self, name: str, why: str) -> None:
        """Say beneath the table why somebody is not in it."""
        self._left_out[name] = why

    def new(self, peer: type[Peer], place: Place, options: Sequence[str] = ()) -> Peer:
        """Build a contender; duly with the options that the command line gave."""
        if peer.name.startswith("duly"):
            return peer(place, [*self.engine_options, *options])  # type: ignore[call-arg]
        return peer(place)

    @contextmanager
    def contender(self, peer: type[Peer]) -> Iterator[Peer]:
        """Give a contender in a fresh place, with tables; stopped and deleted after the block."""
        place = self.servers.place(peer.app)
        contender = self.new(peer, place)
        try:
            contender.make_tables()
            self.servers.keep_tables(peer.app, place)
            with pooled(contender, self.is_pooled):
                yield contender
        finally:
            contender.stop()
            self.servers.drop(place)

    @contextmanager
    def contender_with(
        self, peer: type[Peer], key: str, fill: Callable[[Peer], None]
    ) -> Iterator[Peer]:
        """Give a contender on a database that is filled once, and kept for the other rounds."""
        if key not in self._kept:
            place = self.servers.place(peer.app)
            first = self.new(peer, place)
            first.make_tables()
            fill(first)
            self._kept[key] = place
        contender = self.new(peer, self.servers.again(self._kept[key]))
        try:
            with pooled(contender, self.is_pooled):
                yield contender
        finally:
            contender.stop()

    def run(self, scenario: Scenario) -> Outcome:
        """Run each case in turn, as many rounds as there are."""
        self._left_out, self._running = {}, scenario.NAME
        cases = scenario.cases(self)
        rows = [Row(case.contender, case.detail) for case in cases]
        for number in range(1, self.rounds + 1):
            for case, row in zip(cases, rows, strict=True):
                if not row.failure:
                    said = f"{scenario.NAME}: {row.label}, round {number}"
                    print(said, file=sys.stderr, flush=True)  # noqa: T201
                    _measure(case, row)
        for place in self._kept.values():
            self.servers.drop(place)
        self._kept.clear()
        return Outcome(scenario.NAME, scenario.TITLE, scenario.COLUMNS, rows, dict(self._left_out))


@contextmanager
def pooled(contender: Peer, is_pooled: bool) -> Iterator[None]:
    """Put a pooler between the contender's processes and its database, if asked to."""
    if not is_pooled:
        yield
        return
    with Pooler(contender.place.database_url) as pooler:
        assert pooler.pid is not None
        contender.place.extra_pids.append(pooler.pid)
        contender.place.environment |= {"DULY_DATABASE_URL": pooler.url, "DULY_LISTEN": "false"}
        try:
            yield
        finally:
            # First, for its connections would keep the database from being deleted.
            contender.stop()


def _measure(case: Case, row: Row) -> None:
    """Measure once; what fails is told in the table, and the others go on."""
    try:
        row.rounds.append(case.measure())
    except (PeerFailed, DulyError, psycopg.Error, OSError) as error:
        row.failure = str(error) or repr(error)
        traceback.print_exc()


def copies(peer: Peer, count: int) -> None:
    """Multiply one stored event of the far future in SQL, as many times as said."""
    stored = peer.stored
    assert stored is not None, f"{peer.name} does not say how its rows are multiplied"
    known = (
        "SELECT column_name FROM information_schema.columns "  # noqa: S608 - our own name
        f"WHERE table_name = '{stored.table}' AND is_generated = 'NEVER' ORDER BY ordinal_position"
    )
    columns = [name for (name,) in peer.place.ask(known)]
    values = [stored.differing.get(column, f'one."{column}"') for column in columns]
    names = ", ".join(f'"{column}"' for column in columns)
    insert = (
        f"INSERT INTO {stored.table} ({names}) SELECT {', '.join(values)} "  # noqa: S608
        f"FROM (SELECT * FROM {stored.table} LIMIT 1) AS one, generate_series(1, {count}) AS g"
    )
    # Triggers and foreign keys have nothing to say to copies of a row that they have seen.
    peer.place.do("SET session_replication_role = replica", insert, "VACUUM ANALYZE", "CHECKPOINT")
