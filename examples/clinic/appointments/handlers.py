"""What happens when something comes due. duly finds this module by its name."""

from __future__ import annotations

import duly

# Imported so that duly finds what they define: it looks for modules of this name only.
from appointments import failures, messages, payments, sagas  # noqa: F401
from appointments.models import Appointment
from duly import Occurrence, Retry

Status = Appointment.Status


@duly.handler("appointment_reminder", retry=Retry(attempts=5), timeout=30)
def remind(occurrence: Occurrence) -> None:
    """Remind a patient, at nine o'clock of her own on the day before."""
    messages.send("reminder", _appointment(occurrence), occurrence)


@duly.handler("follow_up", timeout=30)
def follow_up(occurrence: Occurrence) -> None:
    """Ask a patient who has come how she is."""
    appointment = _appointment(occurrence)
    if appointment.status == Status.ATTENDED:
        messages.send("follow_up", appointment, occurrence)


# In one transaction with the record of its success: the status changes and the workflow starts
# exactly once, whatever crashes.
@duly.handler("no_show_check", atomic=True)
def check_no_show(occurrence: Occurrence) -> None:
    """Start the workflow for a patient who is half an hour late."""
    appointment = _appointment(occurrence)
    if appointment.status != Status.BOOKED:
        return
    appointment.status = Status.NO_SHOW
    appointment.save(update_fields=["status"])
    duly.start_saga("no_show", key=f"no-show:{appointment.pk}", entity=appointment.entity)


@duly.handler("rent_billing")
def bill_rent(occurrence: Occurrence) -> None:
    """Bill the rent of a clinic."""
    payments.invoice(occurrence.idempotency_key, payments.RENT_CENTS, "rent")


def _appointment(occurrence: Occurrence) -> Appointment:
    return Appointment.objects.select_related("patient").get(pk=occurrence.entity_id)
