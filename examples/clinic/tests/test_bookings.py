"""A booking from the web goes through all its steps, or leaves nothing behind."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.core import mail

import duly
from appointments import services
from appointments.models import Appointment, Clinic, Patient, Payment
from duly.models import Saga
from duly.testing.inline import run_due
from duly.testing.manual_clock import ManualClock

MONDAY = datetime(2027, 3, 29, 10)


@pytest.fixture
def asked(clinic: Clinic, ann: Patient) -> Appointment:
    """A request that waits for Ann's confirmation."""
    appointment = services.request(clinic, ann, MONDAY)
    run_due()
    appointment.refresh_from_db()
    return appointment


def saga_of(appointment: Appointment) -> Saga:
    return duly.find_saga(f"booking:{appointment.pk}")


def events_of(appointment: Appointment) -> set[str]:
    return {one.event.event_type for one in duly.upcoming_events(entity=appointment.entity)}


def is_given_up(appointment: Appointment) -> bool:
    appointment.refresh_from_db()
    return appointment.status == Appointment.Status.CANCELLED and appointment.room is None


def test_a_request_waits_for_its_confirmation_and_then_holds(asked: Appointment) -> None:
    assert saga_of(asked).status == "waiting"
    assert asked.room is not None
    assert [message.subject for message in mail.outbox] == ["Please confirm"]

    services.confirm(asked)
    run_due()

    asked.refresh_from_db()
    assert saga_of(asked).status == "completed"
    assert asked.status == Appointment.Status.BOOKED
    assert events_of(asked) == {"appointment_reminder", "no_show_check", "follow_up"}


def test_a_request_that_nobody_confirms_is_given_up_and_its_deposit_refunded(
    asked: Appointment, clock: ManualClock
) -> None:
    clock.move(timedelta(days=2))
    run_due()

    assert saga_of(asked).status == "compensated"
    assert is_given_up(asked)
    assert Payment.objects.get().is_refunded


def test_a_request_that_is_cancelled_is_given_up_and_its_deposit_refunded(
    asked: Appointment,
) -> None:
    services.cancel(asked)
    run_due()

    assert saga_of(asked).status == "compensated"
    assert is_given_up(asked)
    assert Payment.objects.get().is_refunded


def test_a_declined_card_frees_the_room(clinic: Clinic, ann: Patient) -> None:
    ann.has_valid_card = False
    ann.save()
    appointment = services.request(clinic, ann, MONDAY)

    run_due()

    saga = saga_of(appointment)
    assert saga.status == "compensated"
    assert saga.reason.startswith("step 'charge_deposit' died: CardDeclined")
    assert is_given_up(appointment)
    assert not Payment.objects.exists()


def test_a_request_without_a_free_room_is_given_up(
    asked: Appointment, clinic: Clinic, ann: Patient
) -> None:
    second = services.request(clinic, ann, MONDAY)

    run_due()

    assert saga_of(second).status == "compensated"
    assert is_given_up(second)
    asked.refresh_from_db()
    assert asked.room is not None
