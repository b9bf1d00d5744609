"""The tables of gates: what limits a target, and who has passed it or waits before it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from duly.policy.breaker import BreakerStatus


class Gate(models.Model):
    """One breaker, limit or rate that all engines share; its row is locked while it is passed."""

    # As long as an event type and what it is limited by at their longest: see engine/routes.py.
    name = models.CharField(max_length=410, primary_key=True)
    status = models.CharField(max_length=16, default=BreakerStatus.CLOSED.value)
    in_row = models.IntegerField(default=0)
    window_at = models.DateTimeField(null=True, blank=True)
    succeeded = models.IntegerField(default=0)
    failed = models.IntegerField(default=0)
    openings = models.IntegerField(default=0)
    probe_at = models.DateTimeField(null=True, blank=True)
    allowed = models.IntegerField(null=True, blank=True)
    full_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField()

    class Meta:
        default_permissions = ("view",)
        permissions: ClassVar = [("override_breaker", "Can open and close breakers by hand")]

    def __str__(self) -> str:
        return self.name


class GateEntry(models.Model):
    """An occurrence at a gate.

    No foreign keys: a row may outlive its occurrence, counts for nothing then, and is removed
    when it is next come across.
    """

    UNDER_WAY = "under_way"
    WAITING = "waiting"
    RESERVED = "reserved"
    """It has taken its token, which it may use when it wakes."""
    READY = "ready"
    """It has its token, and waits as well."""

    gate = models.CharField(max_length=410)
    occurrence_id = models.UUIDField()
    attempt = models.IntegerField()
    state = models.CharField(max_length=16)
    # By which it has its turn: see `duly.policy.handling.rank`.
    rank = models.DateTimeField()

    class Meta:
        verbose_name_plural = "gate entries"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["occurrence_id", "gate"], name="duly_gate_entry_unique")
        ]
        indexes: ClassVar = [
            models.Index(fields=["gate", "state", "rank"], name="duly_gate_entry_turn")
        ]

    def __str__(self) -> str:
        return f"{self.gate} {self.state} {self.occurrence_id}"
