"""The demo's input: appointments of clinics in every continent, and what each asks for."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files

from duly.civil.at import At
from duly.intake import NewEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Appointment:
    """One row of appointments.csv."""

    appointment_id: str
    clinic: str
    city: str
    resource_timezone: str
    patient_timezone: str
    start: str
    """Civil time at the clinic, ISO 8601."""
    remind_days_before: str
    remind_at: str
    """Civil time of the patient, HH:MM."""
    follow_up_minutes: str
    note: str
    """Why the row is special; empty on most."""

    @property
    def moment(self) -> At:
        """When the appointment begins."""
        return At(self.start, self.resource_timezone)

    @property
    def reminder_rule(self) -> At:
        """Some days before, at a time of the patient's own day."""
        return At.before(
            self.moment,
            days=int(self.remind_days_before),
            at=self.remind_at,
            tz=self.patient_timezone,
        )

    @property
    def reminder_at(self) -> datetime:
        """The instant of the reminder."""
        return self.reminder_rule.moment

    def reminder(self) -> NewEvent:
        """Remind the patient."""
        return self._event("appointment_reminder", self.reminder_rule)

    def follow_up(self) -> NewEvent:
        """Ask, some minutes after the start, whether the patient came."""
        rule = At.after(self.moment, minutes=int(self.follow_up_minutes))
        return self._event("appointment_follow_up", rule)

    def _event(self, event_type: str, rule: At) -> NewEvent:
        return NewEvent(
            event_type,
            rule,
            payload={"clinic": self.clinic, "city": self.city},
            entity=("appointment", self.appointment_id),
            key=f"{event_type}:{self.appointment_id}",
            user_timezone=self.patient_timezone,
            resource_timezone=self.resource_timezone,
        )


def read() -> Iterator[Appointment]:
    """Read the rows of appointments.csv."""
    with files("duly.demo").joinpath("appointments.csv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            yield Appointment(**row)
