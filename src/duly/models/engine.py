"""The table of engines: which processes fire, and when each of them was last heard of."""

from __future__ import annotations

from django.db import models


class Engine(models.Model):
    """One engine, from its start on; a process that starts again is another one."""

    holder = models.UUIDField(primary_key=True)
    host = models.CharField(max_length=255)
    pid = models.IntegerField()
    version = models.CharField(max_length=40)
    tzdata_release = models.CharField(max_length=64)
    # The event types that it has handlers for.
    handles = models.JSONField(default=list, blank=True)
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField()
    # How far its host's clock is ahead of the database's, in seconds.
    clock_offset = models.FloatField(default=0.0)
    # Plain handlers at once, attempts that run now, claims that wait for their instant.
    concurrency = models.IntegerField()
    running = models.IntegerField(default=0)
    held = models.IntegerField(default=0)
    # It claims nothing any more, and waits for what runs.
    stopping_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"engine {self.holder} on {self.host}"
