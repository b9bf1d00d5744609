"""The table of API keys: of each its digest, never the key."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class ApiKey(models.Model):
    """A key of a service, which is shown once, when it is issued.

    What is stored does not give it back: its 256 random bits cannot be guessed, so a plain
    digest keeps them, and no slow one is needed.
    """

    id = models.UUIDField(primary_key=True)
    service = models.CharField(max_length=100)
    # What it is for; the key that replaces another bears the same.
    name = models.CharField(max_length=100)
    # The part of the key by which it is found, and told from others; no secret.
    prefix = models.CharField(max_length=16, unique=True)
    # SHA-256 of the whole key, in hexadecimal.
    digest = models.CharField(max_length=64)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    # Not of each call: to the minute.
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "API key"
        verbose_name_plural = "API keys"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=~models.Q(digest="") & ~models.Q(prefix=""),
                name="duly_api_key_digest_given",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["service", "id"], name="duly_api_key_service"),
        ]

    def __str__(self) -> str:
        return f"{self.service}/{self.prefix} {self.name}"
