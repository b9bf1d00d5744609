"""The table of notices: what somebody is told of, each group of it once in a while."""

from __future__ import annotations

from django.db import models


class Notice(models.Model):
    """One group: what is of the same kind, service, event type and cause."""

    # The digest of what makes it a group.
    key = models.CharField(max_length=64, primary_key=True)
    kind = models.CharField(max_length=16)
    service = models.CharField(max_length=100, blank=True)
    event_type = models.CharField(max_length=100, blank=True)
    # The latest of its cases, in words.
    about = models.CharField(max_length=500)
    # Since it was last told of.
    count = models.IntegerField(default=0)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    told_at = models.DateTimeField(null=True, blank=True)
    # Not before then; whoever is telling of it has it to himself until then.
    next_at = models.DateTimeField()
    failures = models.IntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.kind}: {self.about}"
