"""The table of occurrences: each due instant of an event, and what came of it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from duly.encryption import Binding
from duly.models.event import ScheduledEvent
from duly.models.fields import PayloadField, WallTimeField
from duly.policy.states import LIVE, OccurrenceStatus

_LIVE = sorted(status.value for status in LIVE)


class Occurrence(models.Model):
    """One due instant of an event: its identity is (event, due_at), which never moves."""

    id = models.UUIDField(primary_key=True)
    # No index of its own: that of (event, due_at) finds the occurrences of an event as well.
    event = models.ForeignKey(
        ScheduledEvent, models.PROTECT, related_name="occurrences", db_index=False
    )
    # What to do is copied at birth: a later edit of the event is about its later
    # occurrences, and must not change one that is already being tried.
    service = models.CharField(max_length=100)
    event_type = models.CharField(max_length=100)
    payload = PayloadField()
    handling = models.JSONField(default=dict, blank=True)

    due_at = models.DateTimeField()
    wall_time = WallTimeField()
    zone = models.CharField(max_length=64)
    resolution = models.CharField(max_length=48)

    status = models.CharField(max_length=16, default=OccurrenceStatus.QUEUED.value)
    attempt = models.IntegerField(default=0)
    # Attempts that do not count: snoozed, or before a replay.
    forgiven = models.IntegerField(default=0, db_default=0)
    wake_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    holder = models.UUIDField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField()

    class Meta:
        default_permissions = ("view",)
        permissions: ClassVar = [("replay_occurrence", "Can let what has ended run again")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["event", "due_at"], name="duly_occurrence_unique"),
            models.CheckConstraint(
                condition=Q(status__in=[status.value for status in OccurrenceStatus]),
                name="duly_occurrence_status_known",
            ),
            models.CheckConstraint(
                condition=Q(attempt__gte=0), name="duly_occurrence_attempt_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(forgiven__gte=0, forgiven__lte=F("attempt")),
                name="duly_occurrence_forgiven_are_attempts",
            ),
            # Whatever is alive will be looked at again; whatever has ended will not.
            models.CheckConstraint(
                condition=Q(status__in=_LIVE, wake_at__isnull=False)
                | (~Q(status__in=_LIVE) & Q(wake_at__isnull=True)),
                name="duly_occurrence_wake_at_iff_live",
            ),
            models.CheckConstraint(
                condition=~Q(status="running") | Q(attempt__gte=1),
                name="duly_occurrence_running_has_attempt",
            ),
            models.CheckConstraint(
                condition=Q(status__in=_LIVE, finished_at__isnull=True)
                | (~Q(status__in=_LIVE) & Q(finished_at__isnull=False)),
                name="duly_occurrence_finished_at_iff_ended",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["wake_at"],
                name="duly_occurrence_wake_at",
                condition=Q(wake_at__isnull=False),
            ),
            # Few: what a person has to look at. The column of its condition changes when
            # `wake_at` does, so that no update has one more index to write.
            models.Index(
                fields=["service", "due_at", "id"],
                name="duly_occurrence_dead",
                condition=Q(status="dead"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} due {self.due_at:%Y-%m-%dT%H:%M:%S.%fZ}"

    @property
    def binding(self) -> Binding:
        """Where its encrypted payload is good: its event's, of which it is a copy."""
        return Binding("event", self.event_id)

    @property
    def key_owners(self) -> tuple[str, ...]:
        """The service whose keys encrypt its payload."""
        return (self.service,)


class DeadLetter(Occurrence):
    """An occurrence whose attempts are used up, as the admin lists them."""

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = "dead letter"
