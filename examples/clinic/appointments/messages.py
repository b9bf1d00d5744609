"""What patients are told, in their language and with every time in its zone."""

from __future__ import annotations

from django.core.mail import EmailMessage
from django.utils import translation
from django.utils.formats import date_format

from appointments.models import Appointment
from duly import Occurrence

TEXTS = {
    ("reminder", "en"): ("Your appointment", "Dear {name}, we see you on {at}."),
    ("reminder", "de"): ("Ihr Termin", "Guten Tag {name}, wir sehen uns am {at}."),
    ("follow_up", "en"): ("How are you?", "Dear {name}, how are you since {at}?"),
    ("follow_up", "de"): ("Wie geht es Ihnen?", "Guten Tag {name}, wie geht es seit {at}?"),
    ("please_confirm", "en"): ("Please confirm", "Dear {name}, please confirm {at}."),
    ("please_confirm", "de"): ("Bitte bestätigen", "Guten Tag {name}, bitte bestätigen Sie {at}."),
    ("missed", "en"): ("We missed you", "Dear {name}, we missed you on {at}. A new time?"),
    ("missed", "de"): ("Sie haben gefehlt", "Guten Tag {name}, Sie fehlten am {at}. Neuer Termin?"),
}


def send(kind: str, appointment: Appointment, occurrence: Occurrence) -> None:
    """Mail a patient; the same occurrence, tried again, is the same mail to the receiver."""
    patient = appointment.patient
    subject, text = TEXTS[kind, patient.language]
    with translation.override(patient.language):
        starts = appointment.starts.local
        at = f"{date_format(starts, 'l')}, {date_format(starts, 'DATETIME_FORMAT')}"
    EmailMessage(
        subject,
        text.format(name=patient.name, at=f"{at} ({appointment.timezone})"),
        to=[patient.email],
        headers={"Message-ID": f"<{occurrence.id}@clinic.example>"},
    ).send()
