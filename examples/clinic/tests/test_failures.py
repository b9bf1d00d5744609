"""What dies is told to the operators, once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core import mail

import duly
from appointments import messages, services
from appointments.models import Clinic, Patient
from duly.testing.inline import run_due
from duly.testing.manual_clock import ManualClock


def test_reminders_that_die_together_are_told_in_one_mail(
    clinic: Clinic, ann: Patient, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> None:
        raise ConnectionRefusedError("no mail server")

    monkeypatch.setattr(messages, "send", fail)
    for hour in (10, 11):
        services.book(clinic, ann, datetime(2027, 3, 29, hour))
    reminders = duly.upcoming_events(service="communication", limit=1)
    clock.move_to(reminders[0].due.at)
    for _attempt in range(5):
        run_due()
        # Longer than any of its waits between two attempts.
        clock.move(timedelta(minutes=5))

    run_due()

    (told,) = mail.outbox
    assert told.subject == "2 failed"
    assert told.body.count("appointment_reminder: ConnectionRefusedError: no mail server") == 2
    assert [dead.event_type for dead in duly.dead_letters()] == ["appointment_reminder"] * 2
