"""The database server dies under duly: what was acknowledged is there, and fires."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg

from duly.testing.servers import PostgresServer
from tests.faults.engines import EngineProcesses, eventually

_SCHEDULE = """
import sys
from datetime import UTC, datetime, timedelta
import django
django.setup()
from django.core.management import call_command
from django.db import transaction
import duly
call_command("migrate", verbosity=0)
due = datetime.now(UTC) + timedelta(seconds=float(sys.argv[1]))
with transaction.atomic():
    events = duly.schedule_events(
        [duly.NewEvent("probe", duly.At.instant(due), payload=0) for _ in range(int(sys.argv[2]))]
    )
for event in events:
    print(f"{event.id}:{event.next_at.isoformat()}")
"""


def _schedule(url: str, seconds: float, count: int) -> set[str]:
    """Schedule from another process; gives the keys, known only after the commit."""
    done = subprocess.run(
        [sys.executable, "-c", _SCHEDULE, str(seconds), str(count)],
        env=os.environ
        | {"DJANGO_SETTINGS_MODULE": "duly.service.settings", "DULY_DATABASE_URL": url},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_what_was_acknowledged_survives_a_crash_of_the_server(
    crashable_postgres: PostgresServer,
) -> None:
    acknowledged = _schedule(crashable_postgres.url, 3600, 20)

    crashable_postgres.kill()
    crashable_postgres.start()

    with psycopg.connect(crashable_postgres.url) as connection:
        rows = connection.execute("SELECT id FROM duly_scheduledevent").fetchall()
    assert {str(id_) for (id_,) in rows} == {key.partition(":")[0] for key in acknowledged}


def test_engines_come_back_when_the_server_does_and_fire_what_came_due_meanwhile(
    crashable_postgres: PostgresServer, tmp_path: Path
) -> None:
    acknowledged = _schedule(crashable_postgres.url, 1.0, 20)
    engines = EngineProcesses(crashable_postgres.url, tmp_path)
    try:
        engines.start()
        crashable_postgres.restart("immediate")

        eventually(
            lambda: {effect["key"] for effect in engines.effects()} == acknowledged,
            seconds=30,
            what="an effect of every acknowledged event",
        )
    finally:
        engines.end()
