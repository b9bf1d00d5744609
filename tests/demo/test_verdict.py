"""The verdict is computed from two logs, and can be "failed"."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from duly.demo.verdict import judge, quantile


def logs(directory: Path, acknowledged: list[str], *effects: tuple[str, float]) -> Path:
    (directory / "acknowledged.txt").write_text("\n".join(acknowledged))
    lines = [json.dumps({"key": key, "due_at": 100.0, "at": at}) + "\n" for key, at in effects]
    (directory / "effects-1.jsonl").write_text("".join(lines))
    return directory


def test_nothing_lost_passes(tmp_path: Path) -> None:
    verdict = judge(logs(tmp_path, ["a", "b"], ("a", 100.1), ("b", 100.3)), [])

    assert verdict.passed
    assert (verdict.fired, verdict.lost, verdict.duplicates) == (2, 0, 0)


@pytest.mark.parametrize(
    ("acknowledged", "effects", "field"),
    [
        pytest.param(["a", "b"], [("a", 100.1)], "lost", id="lost"),
        pytest.param(["a"], [("a", 99.9)], "early", id="early"),
        pytest.param(["a"], [("a", 100.1), ("b", 100.1)], "phantom", id="phantom"),
    ],
)
def test_what_is_lost_early_or_out_of_nowhere_fails(
    tmp_path: Path, acknowledged: list[str], effects: list[tuple[str, float]], field: str
) -> None:
    verdict = judge(logs(tmp_path, acknowledged, *effects), [])

    assert not verdict.passed
    assert getattr(verdict, field) == 1


def test_an_effect_under_the_same_key_is_a_duplicate_and_the_first_counts(tmp_path: Path) -> None:
    verdict = judge(logs(tmp_path, ["a"], ("a", 103.0), ("a", 100.5)), [])

    assert (verdict.passed, verdict.duplicates) == (True, 1)
    assert verdict.on_time == pytest.approx((0.5,))


def test_a_line_that_the_kill_cut_off_is_no_effect(tmp_path: Path) -> None:
    directory = logs(tmp_path, ["a"])
    (directory / "effects-2.jsonl").write_text('{"key": "a", "due_at": 100.0, "at": 100.1}')

    assert judge(directory, []).lost == 1


def test_the_rescued_are_counted_apart(tmp_path: Path) -> None:
    verdict = judge(logs(tmp_path, ["a", "b"], ("a", 100.1), ("b", 102.0)), ["b"])

    assert verdict.rescued == 1
    assert verdict.late == pytest.approx((2.0,))
    assert verdict.on_time == pytest.approx((0.1,))


@pytest.mark.parametrize(
    ("share", "value"), [(0.5, 50.0), (0.99, 99.0), (0.991, 100.0), (1.0, 100.0), (0.0, 1.0)]
)
def test_a_quantile_is_a_value_that_was_measured(share: float, value: float) -> None:
    assert quantile(tuple(float(n) for n in range(1, 101)), share) == value


def test_the_quantile_of_nothing_is_nothing() -> None:
    assert quantile((), 0.99) == 0.0
