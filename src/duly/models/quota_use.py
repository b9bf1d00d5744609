"""The table of quotas: how much of its own each service has used, for all processes."""

from __future__ import annotations

from django.db import models


class QuotaUse(models.Model):
    """What a service has taken of one quota; there is a row only where it has one."""

    # "requests:" or "events:" and the service.
    name = models.CharField(max_length=120, primary_key=True)
    # Instants in microseconds since 1970, which every database adds and compares.
    # When the bucket is full again.
    full_at_us = models.BigIntegerField(default=0)
    # Events that are pending at most: as counted last, and all that were let in since.
    pending = models.BigIntegerField(default=0)
    # When they may be counted again; zero where they never were.
    recount_at_us = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return self.name
