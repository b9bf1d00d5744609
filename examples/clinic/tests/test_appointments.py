"""What follows from an appointment, and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.core import mail
from django.db import transaction

import duly
from appointments import services
from appointments.models import Appointment, Clinic, Patient, Payment
from duly.testing.inline import run_due
from duly.testing.manual_clock import ManualClock

MONDAY = datetime(2027, 3, 29, 10)
# Ten o'clock in Berlin, which is on summer time by then.
BEGINS = datetime(2027, 3, 29, 8, 0, tzinfo=UTC)


def dues(appointment: Appointment) -> dict[str, datetime]:
    upcoming = duly.upcoming_events(entity=appointment.entity)
    return {one.event.event_type: one.due.at for one in upcoming}


def subjects() -> list[str]:
    return [str(message.subject) for message in mail.outbox]


def test_the_reminder_is_due_at_nine_in_sydney_on_the_day_before(
    clinic: Clinic, ann: Patient
) -> None:
    appointment = services.book(clinic, ann, MONDAY)

    (reminder,) = [
        one
        for one in duly.upcoming_events(entity=appointment.entity)
        if one.event.event_type == "appointment_reminder"
    ]
    assert reminder.due.zone == "Australia/Sydney"
    assert reminder.due.wall_time == datetime(2027, 3, 28, 9, 0)
    assert reminder.due.at == datetime(2027, 3, 27, 22, 0, tzinfo=UTC)


def test_days_are_counted_on_the_calendar_where_the_clocks_change(clinic: Clinic) -> None:
    ben = Patient.objects.create(name="Ben", email="b@patients.example", timezone="Europe/Berlin")

    appointment = services.book(clinic, ben, datetime(2027, 3, 27, 10))

    begins = appointment.starts.moment
    assert dues(appointment)["follow_up"] - begins == timedelta(hours=47)


def test_a_booking_that_is_rolled_back_leaves_no_event(clinic: Clinic, ann: Patient) -> None:
    with transaction.atomic():
        appointment = services.book(clinic, ann, MONDAY)
        assert len(dues(appointment)) == 3
        transaction.set_rollback(True)

    assert dues(appointment) == {}


def test_an_appointment_that_moves_takes_its_events_along(clinic: Clinic, ann: Patient) -> None:
    appointment = services.book(clinic, ann, MONDAY)
    before = dues(appointment)

    services.move(appointment, datetime(2027, 4, 12, 10))

    after = dues(appointment)
    assert after.keys() == before.keys()
    # Two weeks, and the hour by which Sydney's clocks went back on 4 April.
    assert after["appointment_reminder"] - before["appointment_reminder"] == timedelta(
        days=14, hours=1
    )
    assert after["no_show_check"] - before["no_show_check"] == timedelta(days=14)


def test_a_cancelled_appointment_has_no_events(clinic: Clinic, ann: Patient) -> None:
    appointment = services.book(clinic, ann, MONDAY)

    services.cancel(appointment)

    assert dues(appointment) == {}


def test_a_patient_who_comes_gets_a_reminder_and_a_follow_up(
    clinic: Clinic, ann: Patient, clock: ManualClock
) -> None:
    appointment = services.book(clinic, ann, MONDAY)

    clock.move_to(datetime(2027, 3, 27, 21, 59, tzinfo=UTC))
    run_due()
    assert subjects() == []
    clock.move(timedelta(minutes=1))
    run_due()
    assert subjects() == ["Your appointment"]
    assert "Monday, March 29, 2027, 10 a.m. (Europe/Berlin)" in mail.outbox[0].body

    clock.move_to(BEGINS)
    services.attend(appointment)
    clock.move(timedelta(days=2))
    run_due()
    assert subjects() == ["Your appointment", "How are you?"]


def test_a_reminder_that_comes_too_late_is_not_sent(
    clinic: Clinic, ann: Patient, clock: ManualClock
) -> None:
    services.book(clinic, ann, MONDAY)

    clock.move_to(BEGINS + timedelta(seconds=1))

    (reminder,) = run_due()
    assert (reminder.status, reminder.reason) == ("skipped", "expired")
    assert subjects() == []


def test_half_an_hour_without_the_patient_starts_the_no_show_workflow(
    clinic: Clinic, ann: Patient, clock: ManualClock
) -> None:
    appointment = services.book(clinic, ann, MONDAY)

    clock.move_to(BEGINS + timedelta(minutes=30))
    run_due()

    appointment.refresh_from_db()
    assert appointment.status == Appointment.Status.NO_SHOW
    saga = duly.find_saga(f"no-show:{appointment.pk}")
    assert saga.status == "completed"
    assert Payment.objects.get(pk=saga.context["fee"]).purpose == "no-show fee"
    assert subjects() == ["We missed you"]


def test_rent_is_billed_on_the_last_business_day_of_each_month(
    clinic: Clinic, clock: ManualClock
) -> None:
    # Wednesday; then Friday; then Monday the 31st.
    months = [datetime(2027, 4, 1, tzinfo=UTC), datetime(2027, 5, 1, tzinfo=UTC)]
    rent = duly.upcoming_events(entity=("clinic", clinic.pk), limit=3)
    assert [one.due.wall_time for one in rent] == [
        datetime(2027, 3, 31, 8),
        datetime(2027, 4, 30, 8),
        datetime(2027, 5, 31, 8),
    ]

    for month in months:
        clock.move_to(month)
        run_due()

    assert Payment.objects.filter(purpose="rent").count() == 2
