"""What happens at the desk: each change and the events that follow from it, in one transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

import duly
from appointments.models import Appointment, Clinic, Patient
from duly import At, BusinessCalendar, Cron, Handling, NewEvent

Status = Appointment.Status


@transaction.atomic
def open_clinic(name: str, country: str, timezone: str, rooms: int = 1) -> Clinic:
    """Open a clinic, and let its rent be billed on the last business day of each month."""
    clinic = Clinic.objects.create(name=name, country=country, timezone=timezone)
    for number in range(1, rooms + 1):
        clinic.rooms.create(name=f"Room {number}")
    duly.schedule_event(
        "rent_billing",
        Cron(
            "0 8 L * *",
            timezone,
            calendar=BusinessCalendar(country),
            on_closed="previous_business_day",
        ),
        service="billing",
        entity=("clinic", clinic.pk),
        key=f"clinic:{clinic.pk}:rent",
        resource_timezone=timezone,
    )
    return clinic


@transaction.atomic
def book(clinic: Clinic, patient: Patient, local: datetime) -> Appointment:
    """Book an appointment at the desk. local: naive, what the clinic's clocks will read."""
    appointment = _create(clinic, patient, local, Status.BOOKED)
    schedule_events_of(appointment)
    return appointment


@transaction.atomic
def request(clinic: Clinic, patient: Patient, local: datetime) -> Appointment:
    """Take a booking from the web: it holds once room, deposit and confirmation are there."""
    appointment = _create(clinic, patient, local, Status.REQUESTED)
    duly.start_saga("booking", key=f"booking:{appointment.pk}", entity=appointment.entity)
    return appointment


def confirm(appointment: Appointment) -> None:
    """Note that the patient has confirmed what was requested."""
    duly.signal_saga(f"booking:{appointment.pk}", "confirmation")


@transaction.atomic
def move(appointment: Appointment, local: datetime) -> None:
    """Move an appointment; the same keys with other times, so its events move along."""
    appointment.date, appointment.time = local.date(), local.time()
    appointment.save(update_fields=["date", "time"])
    schedule_events_of(appointment)


@transaction.atomic
def attend(appointment: Appointment) -> None:
    """Note that the patient has come."""
    appointment.status = Status.ATTENDED
    appointment.save(update_fields=["status"])
    duly.cancel_event(_key(appointment, "no_show_check"))


@transaction.atomic
def cancel(appointment: Appointment) -> None:
    """Cancel an appointment, and all that would have followed from it."""
    appointment.status, appointment.room = Status.CANCELLED, None
    appointment.save(update_fields=["status", "room"])
    duly.cancel_entity_events(*appointment.entity)


def schedule_events_of(appointment: Appointment) -> None:
    """Schedule, or move, what follows from a booked appointment."""
    starts, patient = appointment.starts, appointment.patient
    reminder = At.before(starts, days=1, at="09:00", tz=patient.timezone)
    duly.schedule_events(
        [
            _event(
                appointment,
                "appointment_reminder",
                reminder,
                service="communication",
                # After the appointment has begun, a reminder is worse than none.
                handling=Handling(expires_after=starts.moment - reminder.moment),
            ),
            _event(appointment, "no_show_check", At.after(starts, minutes=30)),
            _event(
                appointment,
                "follow_up",
                At.after(starts, days=2, at="10:00", tz=patient.timezone),
                service="communication",
            ),
        ]
    )


def _create(clinic: Clinic, patient: Patient, local: datetime, status: Status) -> Appointment:
    return Appointment.objects.create(
        clinic=clinic,
        patient=patient,
        date=local.date(),
        time=local.time(),
        timezone=clinic.timezone,
        status=status,
    )


def _event(appointment: Appointment, event_type: str, rule: At, **options: Any) -> NewEvent:
    return NewEvent(
        event_type,
        rule,
        entity=appointment.entity,
        key=_key(appointment, event_type),
        user_timezone=appointment.patient.timezone,
        resource_timezone=appointment.timezone,
        **options,
    )


def _key(appointment: Appointment, event_type: str) -> str:
    return f"appointment:{appointment.pk}:{event_type}"
