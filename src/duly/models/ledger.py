"""The ledger: one row for every fact, only ever added to."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class LedgerEntry(models.Model):
    """One fact in the life of an event or of one of its occurrences.

    The ids are no foreign keys: a fact outlives the rows that it is about.
    """

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    event_id = models.UUIDField()
    occurrence_id = models.UUIDField(null=True, blank=True)
    fact = models.CharField(max_length=32)
    attempt = models.IntegerField(null=True, blank=True)
    actor = models.CharField(max_length=200, blank=True)
    data = models.JSONField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "ledger entries"
        default_permissions = ("view",)
        constraints: ClassVar = [
            models.CheckConstraint(condition=~models.Q(fact=""), name="duly_ledger_fact_given"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["event_id", "id"], name="duly_ledger_event"),
        ]

    def __str__(self) -> str:
        return f"{self.fact} at {self.at:%Y-%m-%dT%H:%M:%S.%fZ}"
