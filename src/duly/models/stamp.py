"""The table of what this database as a whole is known to be at."""

from __future__ import annotations

from django.db import models


class Stamp(models.Model):
    """One fact about the database: the time zone data that its events follow."""

    name = models.CharField(max_length=40, primary_key=True)
    data = models.JSONField()
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} at {self.at:%Y-%m-%dT%H:%M:%S.%fZ}"
