"""`manage.py seed_clinic`: a clinic in Berlin, patients in three zones, and what comes up."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

import duly
from appointments import services
from appointments.models import Appointment, Clinic, Patient

NO_SHOW_SECONDS = 20


class Command(BaseCommand):
    """Fills an empty database."""

    help = "Make a clinic with a few appointments, and show what comes up."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take when somebody will have been missing for half an hour."""
        parser.add_argument("--no-show-in", type=int, default=NO_SHOW_SECONDS, metavar="SECONDS")

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        """Book the appointments, and print what follows from them."""
        clinic = services.open_clinic("Clinic Mitte", "DE", "Europe/Berlin", rooms=2)
        ann = _patient("Ann", "Australia/Sydney")
        ben = _patient("Ben", "Europe/Berlin", language="de")
        cho = _patient("Cho", "America/New_York")

        far = services.book(clinic, ann, datetime(2031, 3, 31, 10))
        # Berlin's clocks go forward on Sunday 30 March: two days after is 47 hours after.
        over_the_change = services.book(clinic, ben, datetime(2031, 3, 28, 10))
        late = _late(clinic, cho, timedelta(seconds=options["no_show_in"]))
        asked = services.request(clinic, ben, datetime(2031, 4, 7, 11, 30))

        for appointment in (far, over_the_change, late):
            self.stdout.write(f"\nAppointment {appointment.pk}, {appointment.patient}:")
            for upcoming in duly.upcoming_events(entity=appointment.entity):
                self.stdout.write(_line(upcoming))
        reminder = duly.upcoming_events(entity=far.entity, limit=1)[0]
        self.stdout.write(f"\nWhy does Ann get her reminder then?\n{duly.explain(reminder)}")
        self.stdout.write(f"\nBen has asked for appointment {asked.pk}: saga booking:{asked.pk}.")


def _patient(name: str, zone: str, language: str = "en") -> Patient:
    return Patient.objects.create(
        name=name, email=f"{name.lower()}@patients.example", timezone=zone, language=language
    )


def _late(clinic: Clinic, patient: Patient, soon: timedelta) -> Appointment:
    """Book an appointment whose patient will soon have been missing for half an hour."""
    now = datetime.now(ZoneInfo(clinic.timezone)).replace(microsecond=0)
    began = (now + soon - timedelta(minutes=30)).replace(tzinfo=None)
    return services.book(clinic, patient, began)


def _line(upcoming: duly.Upcoming) -> str:
    """Show one firing as the clocks of the clinic and of the patient read."""
    event = upcoming.event
    local = (
        f"{upcoming.due.at.astimezone(ZoneInfo(zone)):%a %Y-%m-%d %H:%M} {zone}"
        for zone in (event.resource_timezone, event.user_timezone)
    )
    return f"  {event.event_type:<22}{' = '.join(local)}"
