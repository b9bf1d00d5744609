"""The table of events: what shall happen, by which rule, and when next."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from duly.encryption import Binding
from duly.models.fields import PayloadField, WallTimeField
from duly.policy.states import EventStatus, OnTzdataChange


class ScheduledEvent(models.Model):
    """What shall happen, to which entity, by which rule."""

    id = models.UUIDField(primary_key=True)
    service = models.CharField(max_length=100)
    event_type = models.CharField(max_length=100)
    # NULL, not "": events without a key are outside the uniqueness of (service, key).
    key = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001
    entity_type = models.CharField(max_length=100, blank=True)
    entity_id = models.CharField(max_length=200, blank=True)
    payload = PayloadField()

    rule = models.JSONField()
    execution_timezone = models.CharField(max_length=64)
    user_timezone = models.CharField(max_length=64, blank=True)
    resource_timezone = models.CharField(max_length=64, blank=True)
    tzdata_fingerprint = models.CharField(max_length=64, blank=True)
    on_tzdata_change = models.CharField(
        max_length=16,
        default=OnTzdataChange.KEEP_WALL.value,
        db_default=OnTzdataChange.KEEP_WALL.value,
    )

    # Due instants to come that are left out, in ISO 8601.
    exceptions = models.JSONField(default=list, blank=True)
    # Retry, timeout, expiry, catch-up and overlap, without what is at its default.
    handling = models.JSONField(default=dict, blank=True)

    status = models.CharField(max_length=16, default=EventStatus.SCHEDULED.value)
    reason = models.CharField(max_length=500, blank=True)
    next_at = models.DateTimeField(null=True, blank=True)
    next_wall_time = WallTimeField(null=True, blank=True)
    next_resolution = models.CharField(max_length=48, blank=True)

    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        verbose_name = "scheduled event"
        # Engines and verbs write these rows; nobody edits them.
        default_permissions = ("view",)
        permissions: ClassVar = [
            ("schedule_event", "Can schedule, pause, resume, reschedule, skip and cancel"),
            ("fire_event", "Can trigger and backfill"),
            ("view_payload", "Can see payloads whole"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["service", "key"], name="duly_event_key_unique"),
            models.CheckConstraint(
                condition=Q(status__in=[status.value for status in EventStatus]),
                name="duly_event_status_known",
            ),
            # Only a scheduled event comes due, and it always does: no state without an end.
            models.CheckConstraint(
                condition=Q(status="scheduled", next_at__isnull=False)
                | (~Q(status="scheduled") & Q(next_at__isnull=True)),
                name="duly_event_next_at_iff_scheduled",
            ),
            models.CheckConstraint(
                condition=Q(next_at__isnull=True, next_wall_time__isnull=True)
                | Q(next_at__isnull=False, next_wall_time__isnull=False),
                name="duly_event_next_wall_time_iff_next_at",
            ),
            models.CheckConstraint(condition=~Q(event_type=""), name="duly_event_type_given"),
            models.CheckConstraint(
                condition=Q(on_tzdata_change__in=[policy.value for policy in OnTzdataChange]),
                name="duly_event_on_tzdata_change_known",
            ),
            models.CheckConstraint(
                condition=(Q(entity_type="") & Q(entity_id=""))
                | (~Q(entity_type="") & ~Q(entity_id="")),
                name="duly_event_entity_whole",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["next_at"],
                name="duly_event_next_at",
                condition=Q(next_at__isnull=False),
            ),
            # Few: what comes first when more is due than can begin.
            models.Index(
                fields=["next_at"],
                name="duly_event_urgent",
                condition=Q(next_at__isnull=False, handling__has_key="priority"),
            ),
            # Which zones are in use, by which data; and of those that changed, the soonest.
            models.Index(
                fields=["execution_timezone", "tzdata_fingerprint", "next_at"],
                name="duly_event_zone",
                condition=Q(next_at__isnull=False),
            ),
            models.Index(
                fields=["entity_type", "entity_id"],
                name="duly_event_entity",
                condition=~Q(entity_id=""),
            ),
            # Few, and wanted by people. Who pauses an event takes its `next_at` as well, so that
            # no update has one more index to write.
            models.Index(fields=["id"], name="duly_event_paused", condition=Q(status="paused")),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} {self.key or self.id}"

    @property
    def binding(self) -> Binding:
        """Where its encrypted payload is good."""
        return Binding("event", self.id)

    @property
    def key_owners(self) -> tuple[str, ...]:
        """The service whose keys encrypt its payload."""
        return (self.service,)
