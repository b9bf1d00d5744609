"""The tables of sagas: each run of a definition, and the steps that it has taken."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from duly.encryption import Binding
from duly.models.fields import ContextField
from duly.policy.saga import SagaStatus, StepStatus

FORWARD, COMPENSATION, TIMER = "forward", "compensation", "timer"
DIRECTIONS = (FORWARD, COMPENSATION, TIMER)


class Saga(models.Model):
    """One run of a saga, by the definition that it was started with."""

    id = models.UUIDField(primary_key=True)
    name = models.CharField(max_length=100)
    # Its definition's: who sees it, signals it and lets it go back from outside.
    service = models.CharField(max_length=100, default="default", db_default="default")
    # NULL, not "": sagas without a key are outside the uniqueness of (name, key).
    key = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001
    # Fingerprint of the definition; a run ends by the one that it began with.
    version = models.CharField(max_length=16)
    definition = models.JSONField()
    entity_type = models.CharField(max_length=100, blank=True)
    entity_id = models.CharField(max_length=200, blank=True)
    context = ContextField(default=dict, blank=True)

    status = models.CharField(max_length=16, default=SagaStatus.RUNNING.value)
    # Whether a person asked for its end.
    is_cancelled = models.BooleanField(default=False, db_default=False)
    reason = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        default_permissions = ("view",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["name", "key"], name="duly_saga_key_unique"),
            models.CheckConstraint(
                condition=Q(status__in=[status.value for status in SagaStatus]),
                name="duly_saga_status_known",
            ),
            models.CheckConstraint(
                condition=(Q(entity_type="") & Q(entity_id=""))
                | (~Q(entity_type="") & ~Q(entity_id="")),
                name="duly_saga_entity_whole",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["entity_type", "entity_id"],
                name="duly_saga_entity",
                condition=~Q(entity_id=""),
            ),
            # Those of a service, the newest first.
            models.Index(fields=["service", "id"], name="duly_saga_service"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.key or self.id}"

    @property
    def binding(self) -> Binding:
        """Where its encrypted context is good."""
        return Binding("saga", self.id)

    @property
    def key_owners(self) -> tuple[str, ...]:
        """The services of its steps: the first that encrypts does so for all that it holds."""
        groups = self.definition.get("groups", ()) if isinstance(self.definition, dict) else ()
        nodes = (node for group in groups for node in group if isinstance(node, dict))
        return tuple(dict.fromkeys(node["service"] for node in nodes if "service" in node))


class SagaStep(models.Model):
    """A step or a wait of a saga, a step's compensation, or the timer of either.

    The ids of event and occurrence are no foreign keys: those may be pruned before it.
    """

    id = models.BigAutoField(primary_key=True)
    # No index of its own: that of (saga, position, direction) finds the steps of a saga.
    saga = models.ForeignKey(Saga, models.CASCADE, related_name="steps", db_index=False)
    position = models.IntegerField()
    direction = models.CharField(max_length=16)
    name = models.CharField(max_length=100)
    status = models.CharField(max_length=16, default=StepStatus.PLANNED.value)
    event_id = models.UUIDField(null=True, blank=True, unique=True)
    # That which ended it.
    occurrence_id = models.UUIDField(null=True, blank=True)
    # What its handler, or its signal, added to the context.
    result = ContextField(null=True, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    began_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["saga", "position", "direction"], name="duly_sagastep_unique"
            ),
            models.CheckConstraint(
                condition=Q(status__in=[status.value for status in StepStatus]),
                name="duly_sagastep_status_known",
            ),
            models.CheckConstraint(
                condition=Q(direction__in=DIRECTIONS), name="duly_sagastep_direction_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.position} {self.name} ({self.direction})"

    @property
    def binding(self) -> Binding:
        """Where its encrypted result is good."""
        return Binding("step", f"{self.saga_id.hex}:{self.position}:{self.direction}")

    @property
    def key_owners(self) -> tuple[str, ...]:
        """Those of its saga."""
        return self.saga.key_owners
