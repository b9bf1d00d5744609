"""The commands of care: what died, running it again, and whether the objectives were met."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import duly
from duly.cli.main import main
from duly.models import Occurrence, ScheduledEvent
from duly.policy.outcome import Decision
from duly.policy.states import OccurrenceStatus
from duly.store.backends import open_store
from duly.store.deaths import EVENT_TYPE
from duly.store.rows import Result
from tests import builders

Cli = Callable[..., tuple[int, str, str]]
DIED = Decision(OccurrenceStatus.DEAD, "died", None, "ValueError: no\nTraceback ...")


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run a command in this process; gives exit code, output and errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


@pytest.fixture
def using(database: str, settings: Any) -> str:
    settings.DULY = {"DATABASE": database, "STRICT": False}
    return database


def dead(using: str, due_at: datetime | None = None, **fields: Any) -> Occurrence:
    """An occurrence that died on its first attempt."""
    at = due_at or datetime.now(UTC)
    store = open_store(using)
    builders.stored_event(using, at, **fields)
    (claim,) = builders.claim(store, at)
    builders.start(store, [claim], at)
    store.finish([Result(claim.id, claim.event_id, claim.due_at, 1, DIED)], now=at)
    ScheduledEvent.objects.using(using).filter(event_type=EVENT_TYPE).delete()
    return Occurrence.objects.using(using).get(id=claim.id)


def test_the_dead_are_listed_with_their_errors(cli: Cli, using: str) -> None:
    occurrence = dead(using)

    code, out, _ = cli("dead")

    assert code == 0
    assert str(occurrence.id) in out
    assert "ValueError: no" in out
    assert cli("dead", "--type", "other")[1] == "Nothing is dead.\n"


def test_the_life_of_one_is_told_with_its_whole_error(cli: Cli, using: str) -> None:
    occurrence = dead(using)

    code, out, _ = cli("dead", str(occurrence.id))

    assert code == 0
    assert ["due" in out, "started, attempt 1" in out, "died, attempt 1" in out] == [True] * 3
    assert out.endswith("Traceback ...\n")


def test_a_filter_chooses_what_is_replayed(cli: Cli, using: str) -> None:
    first = dead(using, event_type="call")
    second = dead(using, event_type="mail")

    code, out, _ = cli("replay", "--type", "call", "--json")

    assert code == 0
    assert json.loads(out)["replayed"] == [str(first.id)]
    second.refresh_from_db()
    assert second.status == "dead"


def test_a_dry_run_replays_nothing(cli: Cli, using: str) -> None:
    occurrence = dead(using)

    code, out, _ = cli("replay", "--all", "--dry-run")

    assert code == 0
    assert f"would replay reminder {occurrence.id}" in out
    occurrence.refresh_from_db()
    assert occurrence.status == "dead"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        pytest.param([], 2, "name what to replay", id="nothing"),
        pytest.param(["abc"], 1, "no id of an occurrence", id="id"),
        pytest.param(["00000000-0000-4000-8000-000000000009"], 1, "no occurrence", id="unknown"),
        pytest.param(["abc", "--all"], 2, "name what to replay", id="both"),
    ],
)
def test_what_cannot_be_replayed_is_told(
    cli: Cli, using: str, arguments: list[str], code: int, message: str
) -> None:
    found, _, err = cli("replay", *arguments)

    assert found == code
    assert message in err


def test_what_runs_cannot_be_replayed(cli: Cli, using: str) -> None:
    claim = builders.running(open_store(using))

    code, _, err = cli("replay", str(claim.id))

    assert code == 1
    assert "is running: only one that has ended can be replayed" in err


def test_objectives_are_met_where_all_began_in_time(cli: Cli, using: str) -> None:
    dead(using, datetime.now(UTC) - timedelta(minutes=10))

    code, out, _ = cli("slo", "--json")

    data = json.loads(out)
    assert code == 0
    assert (data["due"], data["within_minute"], data["lost"], data["dead"]) == (1, 1.0, 0, 1)
    assert data["worst"] == 0.0


def test_an_event_that_nobody_claimed_is_lost_and_an_alert(cli: Cli, using: str) -> None:
    builders.stored_event(using, datetime.now(UTC) - timedelta(minutes=6))

    code, out, _ = cli("slo")

    assert code == 1
    assert "MISSED" in out
    assert cli("slo", "--window", "5m")[0] == 0


def test_lateness_is_counted_from_the_due_instant_to_the_first_start(cli: Cli, using: str) -> None:
    store = open_store(using)
    due_at = datetime.now(UTC) - timedelta(minutes=10)
    builders.stored_event(using, due_at)
    (claim,) = builders.claim(store, due_at)
    builders.start(store, [claim], due_at + timedelta(seconds=90))

    code, out, _ = cli("slo", "--json")

    assert code == 1
    assert json.loads(out)["worst"] == pytest.approx(90.0)


def test_the_life_of_an_event_is_told_in_plain_words(cli: Cli, using: str) -> None:
    occurrence = dead(using)

    code, out, _ = cli("ledger", "show", str(occurrence.event_id))

    assert code == 0
    assert "by the clock on the wall" in out
    assert "started, attempt 1: a lease was taken, and the handler called" in out
    assert "died, attempt 1: its attempts are used up (error ValueError: no)" in out


def test_a_ledger_that_agrees_is_verified_and_one_that_does_not_ends_with_1(
    cli: Cli, using: str
) -> None:
    duly.schedule_event("remind", duly.At("2090-01-01T00:00", "UTC"))
    assert cli("ledger", "verify")[0] == 0

    ScheduledEvent.objects.using(using).update(next_at=datetime(2091, 1, 1, tzinfo=UTC))
    code, out, _ = cli("ledger", "verify")

    assert code == 1
    assert "next_at is 2091-01-01T00:00:00+00:00, the ledger says 2090-01-01" in out
    assert out.endswith("1 events, 0 occurrences and 1 ledger entries: 1 disagree\n")


def old_history(using: str) -> None:
    at = datetime.now(UTC) - timedelta(days=100)
    store = open_store(using)
    builders.stored_event(using, at)
    (claim,) = builders.claim(store, at)
    builders.start(store, [claim], at)
    store.finish([builders.succeeded(claim)], now=at)


def test_prune_deletes_what_ended_long_ago_and_the_ledger_still_verifies(
    using: str, cli: Cli
) -> None:
    old_history(using)

    _, would, _ = cli("prune", "--older-than", "90d", "--dry-run", "--json")
    assert Occurrence.objects.using(using).count() == 1
    code, told, _ = cli("prune", "--older-than", "90d")

    assert code == 0
    assert "1 occurrences, 1 events and 3 ledger entries" in told
    assert json.loads(would)["occurrences"] == 1
    assert not Occurrence.objects.using(using).exists()
    code, told, _ = cli("ledger", "verify")
    assert (code, "all agree" in told) == (0, True)


def test_prune_goes_by_the_setting(using: str, cli: Cli, settings: Any) -> None:
    old_history(using)
    settings.DULY |= {"RETENTION_DAYS": 200}
    assert "0 occurrences" in cli("prune")[1]

    settings.DULY |= {"RETENTION_DAYS": 90}
    assert "1 occurrences" in cli("prune")[1]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param([], "Say --older-than 90d, or set DULY['RETENTION_DAYS']", id="no-age"),
        pytest.param(["--older-than", "1h"], "must be at least 1d, got '1h'", id="too-young"),
        pytest.param(["--older-than", "soon"], "must be a span", id="no-span"),
    ],
)
def test_prune_says_what_it_needs(using: str, cli: Cli, arguments: list[str], told: str) -> None:
    code, _, errors = cli("prune", *arguments)

    assert code == 2
    assert told in errors
