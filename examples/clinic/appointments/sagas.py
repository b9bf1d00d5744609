"""Work in several steps that undo each other: a booking from the web, and a no-show."""

from __future__ import annotations

from datetime import timedelta

import duly
from appointments import messages, payments, services
from appointments.models import Appointment, Room
from duly import GiveUp, Occurrence, Retry, SagaBuilder

Status = Appointment.Status


@duly.saga("booking")
def booking(saga: SagaBuilder) -> None:
    """Reserve, charge, ask, confirm; whatever fails, all before it is undone."""
    saga.step(
        "reserve_room",
        compensate="give_up_booking",
        # If no room is free, the request has to end as well.
        compensate_after="attempt",
    )
    saga.step("charge_deposit", service="billing", compensate="refund_deposit")
    saga.step("ask_for_confirmation", service="communication")
    saga.wait_for("confirmation", deadline=timedelta(days=2))
    saga.step("confirm_booking")


@duly.saga("no_show")
def no_show(saga: SagaBuilder) -> None:
    """Charge the fee for an appointment that nobody came to, and offer another."""
    saga.step("charge_no_show_fee", service="billing", compensate="refund_no_show_fee")
    saga.step("offer_new_time", service="communication")


@duly.handler("reserve_room", atomic=True)
def reserve_room(occurrence: Occurrence) -> dict[str, str]:
    """Reserve any room that is free."""
    appointment = _appointment(occurrence)
    taken = Appointment.objects.filter(
        date=appointment.date, time=appointment.time, room__isnull=False
    )
    free = Room.objects.filter(clinic=appointment.clinic).exclude(id__in=taken.values("room"))
    appointment.room = free.order_by("id").first()
    if appointment.room is None:
        raise GiveUp(f"no room is free at {appointment}")
    appointment.save(update_fields=["room"])
    return {"room": appointment.room.name}


@duly.handler("give_up_booking", atomic=True)
def give_up_booking(occurrence: Occurrence) -> None:
    """Cancel the request, and free its room if it has one."""
    appointment = _appointment(occurrence)
    appointment.status, appointment.room = Status.CANCELLED, None
    appointment.save(update_fields=["status", "room"])


@duly.handler("charge_deposit", retry=Retry(give_up_on=payments.CardDeclined))
def charge_deposit(occurrence: Occurrence) -> dict[str, int]:
    """Charge the deposit; the step that refunds it finds it in the context."""
    patient = _appointment(occurrence).patient
    key = occurrence.idempotency_key
    payment = payments.charge(key, patient, payments.DEPOSIT_CENTS, "deposit")
    return {"deposit": payment.pk}


@duly.handler("refund_deposit")
def refund_deposit(occurrence: Occurrence) -> None:
    """Give the deposit back."""
    payments.refund(occurrence.payload["context"]["deposit"])


@duly.handler("ask_for_confirmation", timeout=30)
def ask_for_confirmation(occurrence: Occurrence) -> None:
    """Ask the patient, who has two days to answer."""
    messages.send("please_confirm", _appointment(occurrence), occurrence)


@duly.handler("confirm_booking", atomic=True)
def confirm_booking(occurrence: Occurrence) -> None:
    """Let the appointment hold, with its reminder and all that follows."""
    appointment = _appointment(occurrence)
    appointment.status = Status.BOOKED
    appointment.save(update_fields=["status"])
    services.schedule_events_of(appointment)


@duly.handler("charge_no_show_fee", retry=Retry(give_up_on=payments.CardDeclined))
def charge_no_show_fee(occurrence: Occurrence) -> dict[str, int]:
    """Charge the fee."""
    patient = _appointment(occurrence).patient
    key = occurrence.idempotency_key
    payment = payments.charge(key, patient, payments.NO_SHOW_CENTS, "no-show fee")
    return {"fee": payment.pk}


@duly.handler("refund_no_show_fee")
def refund_no_show_fee(occurrence: Occurrence) -> None:
    """Give the fee back."""
    payments.refund(occurrence.payload["context"]["fee"])


@duly.handler("offer_new_time", timeout=30)
def offer_new_time(occurrence: Occurrence) -> None:
    """Tell the patient that she was missed."""
    messages.send("missed", _appointment(occurrence), occurrence)


def _appointment(occurrence: Occurrence) -> Appointment:
    related = Appointment.objects.select_related("clinic", "patient")
    return related.get(pk=occurrence.entity_id)
