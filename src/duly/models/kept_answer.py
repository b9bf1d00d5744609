"""The table of answers that are kept, for calls that are made again."""

from __future__ import annotations

from django.db import models


class KeptAnswer(models.Model):
    """What a call under an idempotency key was answered, written with what it changed."""

    # Sorts by time, by which old ones go.
    id = models.UUIDField(primary_key=True)
    service = models.CharField(max_length=100)
    key = models.CharField(max_length=200)
    # SHA-256 of what was asked: the same key stands for the same call only.
    asked = models.CharField(max_length=64)
    # Zero while the call runs, which only its own transaction sees.
    status = models.PositiveSmallIntegerField(default=0)
    body = models.TextField(default="")

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("service", "key"), name="duly_kept_answer_key"),
        )

    def __str__(self) -> str:
        return f"{self.service} {self.key}"
