"""`duly partition`: says what it would do, does it, and history goes by the month afterwards."""

from __future__ import annotations

import json
from typing import Any

import pytest

from duly.cli.main import main
from duly.store import partitions
from duly.store.backends import open_store
from tests import builders

POSTGRES = "postgres"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    told = capsys.readouterr()
    return code, told.out, told.err


def test_a_rehearsal_divides_nothing(
    flat_copy: str, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.DULY = {"DATABASE": POSTGRES}
    builders.stored_event(POSTGRES)
    builders.claim(open_store(POSTGRES))

    code, told, _ = run(capsys, "partition", "--dry-run", "--json")

    assert code == 0
    tables = json.loads(told)["tables"]
    assert [(one["table"], one["rows"], one["copied"]) for one in tables] == [
        ("duly_occurrence", 1, 0),
        ("duly_ledgerentry", 1, 0),
    ]
    assert not partitions.is_partitioned(POSTGRES)


def test_it_divides_once_and_then_makes_the_months_to_come(
    flat_copy: str, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.DULY = {"DATABASE": POSTGRES, "RETENTION_DAYS": 1}

    code, told, _ = run(capsys, "partition")
    assert code == 0
    assert "duly_occurrence is now partitioned by due_at: it is empty; 0 rows copied" in told
    last = partitions.parts(POSTGRES, partitions.LEDGER)[-2]
    partitions.sql(POSTGRES, f"DROP TABLE {last.name}")

    assert run(capsys, "partition")[1] == (
        f"occurrences and ledger are partitioned already\nmade {last.name}\n"
    )
    assert run(capsys, "prune")[0] == 0
    assert run(capsys, "prune", "--dry-run")[0] == 0


def test_sqlite_is_told_that_it_has_no_partitions(
    database: str, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    if database == POSTGRES:
        pytest.skip("PostgreSQL has them")
    settings.DULY = {"DATABASE": database}

    code, _, errors = run(capsys, "partition")

    assert code == 2
    assert "only PostgreSQL has partitions, and the database 'default' is on SQLite" in errors
