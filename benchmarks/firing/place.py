"""Where one measurement happens: servers that serve the whole run, a database of its own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg import sql

from benchmarks.firing import records
from duly.testing.binaries import postgres_bin
from duly.testing.postgres_server import PostgresServer
from duly.testing.processes import ServerError
from duly.testing.redis_server import RedisServer

REPOSITORY = Path(__file__).resolve().parents[2]
DATABASE_VARIABLE = "FIRING_DATABASE_URL"
REDIS_VARIABLE = "FIRING_REDIS_URL"
# A small production server: data that fits in memory, an SSD, and checkpoints by time alone.
POSTGRES_SETTINGS = {
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "effective_io_concurrency": "200",
}
STATISTICS = {
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track": "all",
}


class Servers:
    """PostgreSQL that writes to the disk (fsync), and Redis; ended with the block.

    durable: False does without fsync, where nothing is measured in earnest.
    redis: None where none can be started; peers that need one are left out then.
    """

    def __init__(self, *, durable: bool = True) -> None:
        self.durable = durable
        self._stack = ExitStack()
        self._numbers = 0
        self._templates: dict[str, str] = {}
        self.has_statistics = _has_statistics()
        extra = STATISTICS if self.has_statistics else {}
        self.postgres = PostgresServer(durable=durable, settings=POSTGRES_SETTINGS | extra)
        self.redis: RedisServer | None = None

    def __enter__(self) -> Self:
        with self._stack:
            self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
            self._stack.enter_context(self.postgres)
            try:
                self.redis = self._stack.enter_context(RedisServer())
            except ServerError:
                self.redis = None
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def pids(self) -> list[int]:
        """The servers' processes."""
        found = [self.postgres.pid, self.redis.pid if self.redis else None]
        return [pid for pid in found if pid is not None]

    def place(self, template: str) -> Place:
        """Make an empty database, from `template` where one was kept, and a folder.

        template: a peer's name; the first place of a peer has no tables yet.
        """
        self._numbers += 1
        name = f"run_{self._numbers}"
        self._make(name, self._templates.get(template))
        if self.redis is not None:
            _flush(self.redis.url)
        return self._place(name, has_tables=template in self._templates)

    def keep_tables(self, template: str, place: Place) -> None:
        """Let the database of `place`, which has tables and no rows, be copied from now on."""
        if place.has_tables and template not in self._templates:
            self._make(f"template_{len(self._templates)}", place.name)
            self._templates[template] = f"template_{len(self._templates)}"

    def again(self, place: Place) -> Place:
        """Give a place on the same database, with an empty folder."""
        return self._place(place.name, has_tables=True)

    def drop(self, place: Place) -> None:
        """Delete its database."""
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        with psycopg.connect(self.postgres.url, autocommit=True) as connection:
            connection.execute(statement.format(sql.Identifier(place.name)))

    def _place(self, name: str, *, has_tables: bool) -> Place:
        return Place(
            name,
            self.postgres.url_of(name),
            self.redis.url if self.redis else "",
            Path(tempfile.mkdtemp(dir=self.folder)),
            has_tables,
        )

    def _make(self, name: str, template: str | None) -> None:
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
            sql.Identifier(name), sql.Identifier(template or "template0")
        )
        with psycopg.connect(self.postgres.url, autocommit=True) as connection:
            connection.execute(statement)


@dataclass(slots=True)
class Place:
    """A database and a folder of one's own, for one contender in one measurement."""

    name: str
    database_url: str
    redis_url: str
    folder: Path
    has_tables: bool
    environment: dict[str, str] = field(default_factory=dict)
    """Variables for the contender's processes, on top of ours."""
    extra_pids: list[int] = field(default_factory=list)
    """Processes that belong to neither the contender nor the servers, such as a pooler."""

    @property
    def records(self) -> Path:
        """The file that the handlers write to."""
        return self.folder / "records"

    @property
    def log(self) -> Path:
        """What the contender's processes print."""
        path = self.folder / "log"
        path.touch()
        return path

    def variables(self) -> Mapping[str, str]:
        """Give the environment of its processes."""
        python_path = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "src")])
        return {
            "PYTHONPATH": python_path,
            "PYTHONDONTWRITEBYTECODE": "",
            records.VARIABLE: str(self.records),
            DATABASE_VARIABLE: self.database_url,
            REDIS_VARIABLE: self.redis_url,
            **self.environment,
        }

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Read from its database, on a connection of one's own."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            return connection.execute(query.encode()).fetchall()

    def do(self, *statements: str) -> None:
        """Run statements on its database, each in a transaction of its own."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def settle(self) -> None:
        """Let nothing of the preparation be paid for by what is measured."""
        self.do("VACUUM ANALYZE", "CHECKPOINT")


def _flush(url: str) -> None:
    import redis

    with redis.Redis.from_url(url) as client:
        client.flushall()


def _has_statistics() -> bool:
    library = postgres_bin().parent / "lib"
    return any(library.rglob("pg_stat_statements.so"))
