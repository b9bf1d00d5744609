"""What the doctor says of the notifications."""

from __future__ import annotations

from typing import Any

import pytest

from duly.doctor.findings import Level
from duly.engine.incidents import EVENT_TYPE
from duly.models import Notice
from tests.builders import NOW
from tests.doctor.conftest import Look, worst
from tests.store.test_engines import engine


def test_that_nobody_is_told_is_said_and_no_fault(look: Look) -> None:
    found = look("notifications")

    assert worst(found) is Level.OK
    assert "DULY['NOTIFY'] says whom to tell" in found[0].found


def test_an_event_that_nobody_handles_tells_nobody(look: Look, using: str, settings: Any) -> None:
    settings.DULY |= {"NOTIFY": {"event": True}}
    assert worst(look("notifications")) is Level.FAIL

    engine(using, handles=[EVENT_TYPE])
    assert worst(look("notifications")) is Level.OK


def test_a_secret_of_the_webhook_that_is_not_set_is_told(look: Look, settings: Any) -> None:
    webhook = {"url": "https://ops.example.com", "secret": {"env": "OPS_SECRET"}}
    settings.DULY |= {"NOTIFY": {"webhook": webhook}}

    assert worst(look("notifications")) is Level.FAIL


@pytest.mark.parametrize(("failures", "level"), [(0, Level.OK), (1, Level.FAIL)])
def test_what_could_not_be_told_is_told_here(
    look: Look, using: str, settings: Any, failures: int, level: Level
) -> None:
    settings.DULY |= {"NOTIFY": {"email": "ops@example.com"}}
    times = {"first_at": NOW, "last_at": NOW, "next_at": NOW}
    Notice.objects.using(using).create(
        key="1", kind="dead", about="no", count=1, failures=failures, **times
    )

    assert worst(look("notifications")) is level
