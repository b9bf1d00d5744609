"""Clinics, patients and what they have agreed upon."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.db import models

from duly import At


class Clinic(models.Model):
    """A place, and so a time zone: every appointment is read there."""

    name = models.CharField(max_length=100)
    country = models.CharField(max_length=2, help_text="ISO 3166, for its public holidays")
    timezone = models.CharField(max_length=64, help_text="IANA name")

    def __str__(self) -> str:
        return self.name


class Room(models.Model):
    """One patient at a time."""

    clinic = models.ForeignKey(Clinic, models.CASCADE, related_name="rooms")
    name = models.CharField(max_length=50)

    def __str__(self) -> str:
        return self.name


class Patient(models.Model):
    """A person, who may live in another time zone than the clinic."""

    name = models.CharField(max_length=100)
    email = models.EmailField()
    timezone = models.CharField(max_length=64, help_text="IANA name")
    language = models.CharField(max_length=2, default="en")
    has_valid_card = models.BooleanField(default=True)

    def __str__(self) -> str:
        return self.name


class Appointment(models.Model):
    """A civil time at a clinic: "ten o'clock in Berlin", whatever becomes of Berlin's clocks."""

    class Status(models.TextChoices):
        REQUESTED = "requested"
        BOOKED = "booked"
        ATTENDED = "attended"
        NO_SHOW = "no_show"
        CANCELLED = "cancelled"

    clinic = models.ForeignKey(Clinic, models.PROTECT)
    patient = models.ForeignKey(Patient, models.PROTECT)
    room = models.ForeignKey(Room, models.PROTECT, null=True, blank=True)
    date = models.DateField()
    time = models.TimeField()
    timezone = models.CharField(max_length=64)
    status = models.CharField(max_length=16, choices=Status.choices)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["room", "date", "time"], name="one_patient_at_a_time"),
        ]

    def __str__(self) -> str:
        return f"{self.date} {self.time} {self.timezone}"

    @property
    def starts(self) -> At:
        """When it begins: civil time in the zone of the clinic."""
        return At(datetime.combine(self.date, self.time), self.timezone)

    @property
    def entity(self) -> tuple[str, int]:
        """What events about it are about."""
        return "appointment", self.pk


class Payment(models.Model):
    """What the payment provider has taken."""

    key = models.CharField(max_length=200, unique=True)
    purpose = models.CharField(max_length=50)
    cents = models.PositiveIntegerField()
    is_refunded = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"{self.purpose}: {self.cents / 100:.2f}"
