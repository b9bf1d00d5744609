"""`duly doctor`: a page on which nothing is left out, and which nothing can break."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connections
from django.test.utils import CaptureQueriesContext

from duly import clock
from duly.cli.main import main
from duly.doctor import examine as examination
from duly.doctor.examine import examine, verdict
from duly.doctor.findings import Level, Needs, Patient, check, checks, fail, ok, warn


@pytest.fixture
def only() -> Iterator[None]:
    """Leave no check but those that the test makes."""
    examine()
    before = dict(checks)
    checks.clear()
    yield
    checks.clear()
    checks.update(before)


@pytest.mark.parametrize(
    ("finding", "code"),
    [
        pytest.param(ok("well"), 0, id="ok"),
        pytest.param(warn("soon", "mend it"), 1, id="warn"),
        pytest.param(fail("broken", "mend it now"), 2, id="fail"),
    ],
)
def test_the_worst_finding_is_the_exit_code(
    using: str, only: None, capsys: pytest.CaptureFixture[str], finding: Any, code: int
) -> None:
    check("one")(lambda patient: ok("well"))
    check("two")(lambda patient: finding)

    assert main(["doctor"]) == code
    told = capsys.readouterr().out
    assert f"{finding.level.name:<4}  two  {finding.found}" in told
    assert finding.fix in told
    assert main(["doctor", "--json"]) == code
    data = json.loads(capsys.readouterr().out)
    assert data["verdict"] == finding.level.name
    assert data["checks"][1] == {
        "check": "two",
        "level": finding.level.name,
        "found": finding.found,
        "fix": finding.fix,
    }


def test_a_check_that_raises_is_a_line_and_the_next_one_is_run(using: str, only: None) -> None:
    def broken(patient: Patient) -> Any:
        raise ZeroDivisionError("by zero")

    check("broken")(broken)
    check("next")(lambda patient: ok("well"))

    lines = examine()

    assert [line.finding.level for line in lines] == [Level.FAIL, Level.OK]
    assert "ZeroDivisionError: by zero" in lines[0].finding.found


def test_a_statement_that_fails_or_takes_too_long_leaves_the_rest_well(
    using: str, only: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examination, "STATEMENT_SECONDS", "0.05")
    slow = "SELECT pg_sleep(10)" if using == "postgres" else "SELECT nonsense"

    def hang(patient: Patient) -> Any:
        with connections[using].cursor() as cursor:
            cursor.execute(slow)

    check("slow")(hang)
    check("next", needs=Needs.CONNECTION)(lambda patient: ok(str(clock.now(using))))

    assert [line.finding.level for line in examine()] == [Level.FAIL, Level.OK]


def test_without_a_database_it_says_so_once_and_looks_at_the_rest(
    using: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(using: str) -> Any:
        raise DatabaseError("connection refused\nis the server running?")

    monkeypatch.setattr(clock, "now", refuse)

    lines = examine()

    assert lines[0].finding.found == "does not answer: connection refused"
    assert {line.check for line in lines} == {"database", "settings", "tz data"}
    assert verdict(lines) is Level.FAIL


def test_the_documentation_names_every_check() -> None:
    page = Path(__file__).parents[2] / "docs/how-to/doctor-and-top.md"
    table = page.read_text().partition("| check | WARN | FAIL |")[2].partition("\n\n")[0]
    rows = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")]

    assert rows == list(checks)


def test_settings_that_cannot_be_read_are_the_one_line(settings: Any) -> None:
    settings.DULY = {"MOON": 3}

    (line,) = examine()

    assert line.finding.level is Level.FAIL
    assert "DULY has no setting 'MOON'" in line.finding.found


def test_every_check_runs_on_an_empty_database_and_none_of_them_writes(using: str) -> None:
    with CaptureQueriesContext(connections[using]) as queries:
        lines = examine()

    assert {line.check for line in lines} == set(checks)
    failed = {line.check for line in lines if line.finding.level is Level.FAIL}
    # The servers of the tests do not sync; and there is no engine.
    assert failed <= {"engines", "database"}
    large = ("duly_occurrence", "duly_scheduledevent", "duly_ledgerentry")
    for query in queries:
        counts = "COUNT(" in query["sql"].upper() and any(name in query["sql"] for name in large)
        assert not counts or " LIMIT " in query["sql"], query["sql"]
    told = " ".join(query["sql"].upper() for query in queries)
    assert [word for word in ("INSERT ", "DELETE FROM", " SET STATUS") if word in told] == []
