"""What an answer makes of a delivery: pure, and therefore tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from duly.engine.execute import raised
from duly.errors import AddressRefused, DulyError, RequestRefused, TargetFailed
from duly.policy.http_answer import Answer, failure_of, shown, wait_of
from duly.policy.outcome import Failed
from duly.policy.retry import Retry

NOW = datetime(2031, 3, 30, 9, 0, tzinfo=UTC)
ORIGIN = "https://crm.example"


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_a_yes_is_no_failure(status: int) -> None:
    assert failure_of(Answer(status=status), ORIGIN, NOW) is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (101, RequestRefused),
        (199, RequestRefused),
        (301, RequestRefused),
        (399, RequestRefused),
        (400, RequestRefused),
        (407, RequestRefused),
        (408, TargetFailed),
        (410, RequestRefused),
        (425, TargetFailed),
        (429, TargetFailed),
        (499, RequestRefused),
        (500, TargetFailed),
        (599, TargetFailed),
        (600, RequestRefused),
    ],
)
def test_a_no_is_for_now_or_for_good(status: int, kind: type[DulyError]) -> None:
    failure = failure_of(Answer(status=status, body=b"why"), ORIGIN, NOW)

    assert type(failure) is kind
    assert str(failure).startswith(f"{ORIGIN} answered {status}")
    assert "why" in str(failure)


@pytest.mark.parametrize(
    ("retry_after", "date", "wait"),
    [
        pytest.param("120", "", timedelta(minutes=2), id="seconds"),
        pytest.param(" 7 ", "", timedelta(seconds=7), id="spaces"),
        pytest.param("0", "", timedelta(seconds=1), id="at-once-is-a-second"),
        pytest.param("9999999999", "", timedelta(hours=24), id="centuries-are-a-day"),
        pytest.param("Sun, 30 Mar 2031 09:10:00 GMT", "", timedelta(minutes=10), id="date"),
        pytest.param(
            "Sun, 30 Mar 2031 11:10:00 GMT",
            "Sun, 30 Mar 2031 11:00:00 GMT",
            timedelta(minutes=10),
            id="clock-of-the-target",
        ),
        pytest.param("Sunday, 30-Mar-31 09:10:00 GMT", "", timedelta(minutes=10), id="rfc-850"),
        pytest.param("Sun Mar 30 09:10:00 2031", "", timedelta(minutes=10), id="asctime"),
        pytest.param("Sun, 30 Mar 2031 08:00:00 GMT", "", timedelta(seconds=1), id="past"),
        pytest.param("", "", None, id="none"),
        pytest.param("soon", "", None, id="words"),
        pytest.param("-5", "", None, id="negative"),
        pytest.param("1.5", "", None, id="fraction"),
        pytest.param("12, 13", "", None, id="two"),
        pytest.param("١٢", "", None, id="other-digits"),
        pytest.param("Mon, 99 Mar 2031 09:10:00 GMT", "", None, id="no-such-day"),
    ],
)
def test_retry_after_is_a_wait_within_bounds(
    retry_after: str, date: str, wait: timedelta | None
) -> None:
    assert wait_of(retry_after, date, NOW) == wait


def _attempt(retry: Retry) -> Any:
    return SimpleNamespace(claim=SimpleNamespace(payload="null"), retry=retry, time_limits=())


def test_the_engine_waits_as_long_as_the_target_asked() -> None:
    failure = failure_of(Answer(status=503, retry_after="120"), ORIGIN, NOW)
    assert failure is not None

    outcome = raised(failure, _attempt(Retry()))

    assert isinstance(outcome, Failed)
    assert (outcome.is_final, outcome.after) == (False, timedelta(minutes=2))


@pytest.mark.parametrize("kind", [RequestRefused, AddressRefused])
def test_the_engine_gives_up_on_what_no_attempt_would_change(kind: type[DulyError]) -> None:
    outcome = raised(kind("no"), _attempt(Retry(attempts=9)))

    assert isinstance(outcome, Failed)
    assert outcome.is_final


def test_a_failed_target_is_tried_again_whatever_else_a_policy_retries() -> None:
    assert not Retry(retry_on=KeyError).gives_up_on(TargetFailed("no"))
    assert Retry(retry_on=KeyError).gives_up_on(ValueError("no"))


def test_what_is_shown_is_short_one_line_and_without_secrets() -> None:
    body = "token  abcdefgh\nis\tBearer abcdefgh \x1b[2J\u202e" + "é" * 400

    text = shown(body.encode() + b"\xff", ["Bearer abcdefgh", "1"])

    assert text.startswith("token *** is *** [2J é")
    assert len(text) == 301
    assert text.endswith("…")
    assert text.isprintable()
