"""The table of services: who owns which events, and where their occurrences are delivered."""

from __future__ import annotations

from django.db import models


class Service(models.Model):
    """A service that is registered in the database; DULY["SERVICES"] comes first."""

    name = models.CharField(max_length=100, primary_key=True)
    # As one entry of DULY["SERVICES"]; secrets by name only.
    options = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
