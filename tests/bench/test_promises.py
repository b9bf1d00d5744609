"""The promises are judged by what was measured, and each can be broken."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from duly.bench import report
from duly.bench.civil_times import CivilTime
from duly.bench.measurements import (
    Accuracy,
    Burst,
    Care,
    Kill,
    Limits,
    Measurements,
    compare,
    untold_duplicates,
)
from duly.bench.promises import promises
from duly.demo.verdict import Verdict, acknowledge, judge

NOON = datetime(2031, 3, 30, 12, tzinfo=UTC)
GOOD = Verdict(
    acknowledged=2,
    fired=2,
    lost=0,
    phantom=0,
    early=0,
    duplicates=0,
    rescued=1,
    on_time=(0.02,),
    late=(2.5,),
)
KEPT = Measurements(
    limits=Limits(round_trip=0.001, commits=900.0, scheduled=300.0, scheduled_in_bulk=4000.0),
    accuracy=Accuracy(checked=10, zones=3, gaps=1, overlaps=2, wrong=()),
    burst=Burst(events=1000, fired=1000, seconds=1.0, start=2.0),
    punctual=replace(GOOD, rescued=0, on_time=(0.02, 0.03), late=()),
    kill=Kill(after=1.0, held=1, exit_codes=(-signal.SIGKILL, 0), untold=0, verdict=GOOD),
    care=Care(dead=0, parked=0, stuck=0, warnings=(), disagreements=()),
    seconds=120.0,
)


def broken(found: Measurements) -> list[int]:
    """Give the numbers of the promises that were not kept."""
    return [one.number for one in promises(found) if not one.kept]


def judged(directory: Path, acknowledged: list[str], *effects: tuple[str, float, int]) -> Verdict:
    """Judge a log that holds these effects: key, instant, attempt."""
    acknowledge(directory, acknowledged)
    lines = [
        json.dumps({"key": key, "due_at": 100.0, "at": at, "attempt": attempt}) + "\n"
        for key, at, attempt in effects
    ]
    (directory / "effects-1.jsonl").write_text("".join(lines))
    return judge(directory, [])


def test_a_run_without_a_fault_keeps_all_five() -> None:
    assert broken(KEPT) == []
    assert [one.number for one in promises(KEPT)] == [1, 2, 3, 4, 5]


def test_a_lost_event_breaks_the_second(tmp_path: Path) -> None:
    verdict = judged(tmp_path, ["a", "b"], ("a", 100.1, 1))

    assert broken(replace(KEPT, kill=replace(KEPT.kill, verdict=verdict))) == [2]
    assert 2 in broken(replace(KEPT, punctual=verdict))


def test_a_duplicate_that_cannot_be_told_apart_breaks_the_second() -> None:
    first: dict[str, float | str] = {"key": "a", "at": 100.1, "attempt": 1}

    assert untold_duplicates([first, {**first, "at": 103.0, "attempt": 2}]) == 0
    assert untold_duplicates([first, {**first, "at": 103.0}]) == 1
    assert broken(replace(KEPT, kill=replace(KEPT.kill, untold=1))) == [2]


@pytest.mark.parametrize(
    "kill",
    [
        pytest.param(replace(KEPT.kill, held=0), id="it held nothing"),
        pytest.param(replace(KEPT.kill, exit_codes=(0, 0)), id="nothing was killed"),
        pytest.param(replace(KEPT.kill, exit_codes=(-9, 1)), id="another failed"),
    ],
)
def test_a_kill_that_was_none_proves_nothing(kill: Kill) -> None:
    assert broken(replace(KEPT, kill=kill)) == [2]


def test_a_wrong_instant_breaks_the_third_and_is_told() -> None:
    asked = [
        CivilTime(datetime(2031, 3, 30, 14), "Europe/Berlin", "first", "plain", NOON),
        CivilTime(datetime(2031, 3, 30, 2, 30), "Europe/Berlin", "first", "gap", NOON),
    ]

    accuracy = compare(asked, {0: NOON, 1: NOON + timedelta(hours=1)}, KEPT.accuracy)

    assert (accuracy.checked, len(accuracy.wrong), accuracy.gaps) == (12, 1, 2)
    found = replace(KEPT, accuracy=accuracy)
    assert broken(found) == [3]
    assert any("2031-03-30T02:30:00 Europe/Berlin" in one for one in report.against(found))


def test_an_instant_that_is_not_stored_at_all_is_wrong() -> None:
    asked = [CivilTime(datetime(2031, 3, 30, 14), "Europe/Berlin", "first", "plain", NOON)]

    assert len(compare(asked, {}, None).wrong) == 1


@pytest.mark.parametrize(
    ("found", "number"),
    [
        pytest.param(
            replace(KEPT, punctual=replace(KEPT.punctual, on_time=(0.02, 61.0))), 1, id="late"
        ),
        pytest.param(replace(KEPT, care=replace(KEPT.care, dead=1)), 4, id="a dead letter"),
        pytest.param(replace(KEPT, care=replace(KEPT.care, parked=1)), 4, id="parked"),
        pytest.param(replace(KEPT, care=replace(KEPT.care, stuck=1)), 4, id="stuck"),
        pytest.param(replace(KEPT, care=replace(KEPT.care, warnings=("W",))), 4, id="a warning"),
        pytest.param(replace(KEPT, burst=replace(KEPT.burst, seconds=10.0)), 5, id="slow"),
        pytest.param(replace(KEPT, burst=replace(KEPT.burst, fired=999)), 5, id="unfinished"),
    ],
)
def test_each_of_the_others_can_be_broken(found: Measurements, number: int) -> None:
    assert broken(found) == [number]
    assert list(report.verdict_lines(found))[-1] == "FAIL: 4 of 5 promises kept"
    assert report.to_json(found, {})["passed"] is False


def test_a_clock_ahead_of_this_host_makes_nothing_early(tmp_path: Path) -> None:
    acknowledge(tmp_path, ["a"])
    effect = {"key": "a", "due_at": 100.0, "at": 99.7}
    (tmp_path / "effects-1.jsonl").write_text(json.dumps(effect) + "\n")

    assert judge(tmp_path, []).early == 1
    corrected = judge(tmp_path, [], clock_ahead=0.32)
    assert corrected.early == 0
    assert corrected.on_time == pytest.approx((0.02,))
    assert judge(tmp_path, [], clock_ahead=0.299, uncertain=0.002).early == 0
