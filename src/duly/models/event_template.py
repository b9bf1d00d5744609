"""The table of templates: what many events have in common, said once."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from duly.encryption import Binding
from duly.models.fields import PayloadField


class EventTemplate(models.Model):
    """What events are scheduled from; those that were keep what it said then."""

    id = models.UUIDField(primary_key=True)
    service = models.CharField(max_length=100)
    name = models.CharField(max_length=100)
    description = models.CharField(max_length=500, blank=True)
    event_type = models.CharField(max_length=100)
    # As a request says it, but that "$time" may stand for what is given when it is used.
    schedule = models.JSONField()
    # Defaults, into which the payload that is given is merged.
    payload = PayloadField()
    # The same fields that a request has, such as max_retries.
    handling = models.JSONField(default=dict, blank=True)
    entity_type = models.CharField(max_length=100, blank=True)
    execution_timezone = models.CharField(max_length=64, blank=True)
    user_timezone = models.CharField(max_length=64, blank=True)
    resource_timezone = models.CharField(max_length=64, blank=True)
    on_tzdata_change = models.CharField(max_length=16)
    # One more with each change, so that nobody overwrites what he has not seen.
    version = models.IntegerField(default=1)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["service", "name"], name="duly_template_name_unique"),
            models.CheckConstraint(
                condition=models.Q(version__gte=1), name="duly_template_version_counts"
            ),
        ]

    @property
    def binding(self) -> Binding:
        """Where its encrypted payload is good."""
        return Binding("template", self.id)

    @property
    def key_owners(self) -> tuple[str, ...]:
        """The service whose keys encrypt its payload."""
        return (self.service,)

    def __str__(self) -> str:
        return f"{self.service} {self.name}"
