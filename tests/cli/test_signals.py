"""What a process makes of the signals that tell it to stop."""

from __future__ import annotations

import os
import signal
import time

import pytest

from duly.cli.signals import stop_signals


@pytest.fixture
def exits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Collect exit codes instead of exiting."""
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    return codes


def test_the_first_signal_asks_to_stop(exits: list[int]) -> None:
    with stop_signals() as received:
        signal.raise_signal(signal.SIGTERM)

    assert received.get_nowait() == signal.SIGTERM
    assert exits == []


def test_two_sigterm_at_once_are_one(exits: list[int]) -> None:
    with stop_signals() as received:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)

    assert received.get_nowait() == signal.SIGTERM
    assert exits == []


@pytest.mark.parametrize(
    ("second", "later", "code"),
    [
        pytest.param(signal.SIGTERM, 1.5, 143, id="sigterm-later"),
        pytest.param(signal.SIGINT, 0.0, 130, id="ctrl-c-at-once"),
    ],
)
def test_a_second_signal_ends_the_process(
    exits: list[int], monkeypatch: pytest.MonkeyPatch, second: int, later: float, code: int
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with stop_signals():
        signal.raise_signal(signal.SIGTERM)
        now[0] += later
        signal.raise_signal(second)

    assert exits == [code]


def test_afterwards_signals_are_what_they_were() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stop_signals():
        assert signal.getsignal(signal.SIGTERM) is not before

    assert signal.getsignal(signal.SIGTERM) is before
