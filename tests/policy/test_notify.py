"""Who is told of failures, what is one failure, and when an error budget burns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from duly.conf import parse
from duly.errors import ConfigurationError
from duly.policy.burn import Slot, burning
from duly.policy.notify import Kind, notify_from, signature
from duly.webhooks import new_secret

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
WEBHOOK = {"url": "https://ops.example.com/duly", "secret": new_secret()}


def test_every_option_is_read() -> None:
    found = notify_from(
        {
            "email": "ops@example.com",
            "webhook": WEBHOOK,
            "event": True,
            "on": ["dead", "slo"],
            "interval": 600,
            "objective": 0.99,
            "sender": "duly <duly@example.com>",
        }
    )

    assert found.email == ("ops@example.com",)
    assert found.webhook is not None
    assert found.webhook.endpoint.host == "ops.example.com"
    assert found.on == {Kind.DEAD, Kind.SLO}
    assert found.interval == timedelta(minutes=10)
    assert found.channels == ["email", "webhook", "event"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param({}, "says nobody to tell", id="nobody"),
        pytest.param({"emails": "a@b"}, "did you mean 'email'?", id="misspelt"),
        pytest.param({"email": "nobody"}, "email has 'nobody', which is no address", id="address"),
        pytest.param(
            {"email": "a@b\nBcc: c@d"}, "which is no address", id="a-header-in-an-address"
        ),
        pytest.param({"email": 3}, "email must be an address", id="number"),
        pytest.param({"email": "a@b", "on": ["moon"]}, "on must be some of dead", id="kind"),
        pytest.param({"email": "a@b", "on": []}, "on must be some of dead", id="no-kind"),
        pytest.param({"email": "a@b", "interval": 5}, "60 seconds or more, got 5", id="interval"),
        pytest.param({"email": "a@b", "objective": 1}, "above 0 and below 1", id="objective"),
        pytest.param({"email": "a@b", "event": 1}, "event must be True or False", id="event"),
        pytest.param({"email": "a@b", "sender": "a\nb"}, "sender must be", id="sender"),
        pytest.param({"webhook": {"url": "https://x.y"}}, "webhook: an HTTP target", id="webhook"),
        pytest.param("ops@example.com", "must be a dict", id="no-dict"),
    ],
)
def test_what_cannot_work_is_refused_with_the_option_and_the_rule(options: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^DULY\['NOTIFY'\]") as caught:
        parse({"NOTIFY": options})

    assert said in str(caught.value)


def test_without_it_nobody_is_told() -> None:
    assert parse({}).notify is None
    assert parse({"NOTIFY": None}).notify is None


@pytest.mark.parametrize(
    ("one", "other", "are_one"),
    [
        pytest.param("no row 17", "no row 18", True, id="numbers"),
        pytest.param("at 0x7f00aa", "at 0x7f00bb", True, id="addresses"),
        pytest.param(
            "user 0197c1aa-74c0-7000-8000-000000000001",
            "user 0197c1aa-74c0-7000-8000-00000000000f",
            True,
            id="ids",
        ),
        pytest.param("no row\nTraceback 1", "no row\nTraceback 2", True, id="first-line"),
        pytest.param("no row", "no column", False, id="words"),
    ],
)
def test_errors_of_one_cause_are_one_group(one: str, other: str, are_one: bool) -> None:
    assert (signature(one) == signature(other)) == are_one


def slots(*late: int, total: int = 100) -> list[Slot]:
    """The slots before NOW, the latest last, each with so many late."""
    count = len(late)
    return [
        Slot(NOW - (count - index) * timedelta(minutes=5), total, number)
        for index, number in enumerate(late)
    ]


@pytest.mark.parametrize(
    ("given", "overdue", "pace"),
    [
        pytest.param(slots(*[0] * 12), 0, None, id="well"),
        pytest.param([], 0, None, id="nothing"),
        pytest.param(slots(*[2] * 12), 0, "fast", id="two-percent"),
        pytest.param(slots(*[1] * 72), 0, "slow", id="one-percent-for-hours"),
        pytest.param(slots(*[2] * 11, *[0] * 8), 0, None, id="it-is-over"),
        pytest.param(slots(2), 0, None, id="too-few"),
        pytest.param([], 30, "fast", id="nothing-begins-at-all"),
        pytest.param(slots(*[0] * 12), 30, "fast", id="much-waits"),
    ],
)
def test_a_budget_burns_where_a_long_and_a_short_window_say_so(
    given: list[Slot], overdue: int, pace: str | None
) -> None:
    found = burning(given, NOW, 0.999, overdue=overdue)

    assert (found.pace.name if found else None) == pace
