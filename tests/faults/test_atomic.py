"""Effects of atomic handlers happen once, at whichever statement the process dies."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

import duly
from duly import At
from duly.models import Occurrence
from tests.faults.campaign import logs
from tests.faults.engines import LEASE_SECONDS, EngineProcesses, eventually

AHEAD = timedelta(seconds=0.3)
# Some of the commits are of claims, one is of the handler's transaction.
MOMENTS = [
    *(
        f"{name}:{moment}:1"
        for name in ("claim_due", "start", "handler", "finish")
        for moment in ("before", "after")
    ),
    *(f"commit:{moment}:{number}" for number in range(1, 5) for moment in ("before", "after")),
]


@pytest.fixture
def using(database: str, settings: Any) -> Iterator[str]:
    settings.DULY = {"DATABASE": database, "STRICT": False}
    with connections[database].cursor() as cursor:
        cursor.execute(
            "CREATE TABLE campaign_effect (key text, attempt integer, at double precision)"
        )
    yield database
    with connections[database].cursor() as cursor:
        cursor.execute("DROP TABLE campaign_effect")


@pytest.mark.campaign
def test_an_atomic_effect_happens_once_wherever_its_process_is_killed(
    using: str, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(logs.DIRECTORY_VARIABLE, str(tmp_path))
    monkeypatch.setenv(
        logs.ORIGIN_VARIABLE, str(time.time() - time.clock_gettime(time.CLOCK_MONOTONIC))
    )
    engines = EngineProcesses(database_url, tmp_path, "tests.faults.campaign.handlers")
    try:
        for moment in MOMENTS:
            # What is due already begins with its claim; what is not yet, is started later.
            ahead = AHEAD if moment.startswith("start:") else timedelta(0)
            doomed = engines.launch({logs.FAILPOINT_VARIABLE: moment})
            assert doomed.stdout is not None
            # It runs, or has come to its moment already, with what the one before it has left.
            doomed.stdout.readline()
            duly.schedule_event("atomic", At.instant(datetime.now(UTC) + ahead))
            assert doomed.wait(20) == -9, f"it ended before it came to {moment}"
            engines.kill(doomed)
        engines.start()
        eventually(
            lambda: not Occurrence.objects.using(using).filter(wake_at__isnull=False).exists(),
            seconds=10 * LEASE_SECONDS,
            what="an end of every occurrence",
        )
    finally:
        engines.end()

    with connections[using].cursor() as cursor:
        cursor.execute("SELECT key FROM campaign_effect")
        effects = Counter(key for (key,) in cursor.fetchall())
    assert set(effects.values()) == {1}
    assert len(effects) == len(MOMENTS)
    assert Occurrence.objects.using(using).filter(status="succeeded").count() == len(MOMENTS)
    # Most of these moments leave an attempt behind, which another had to make good.
    assert Occurrence.objects.using(using).filter(attempt__gt=1).exists()
