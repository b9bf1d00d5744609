"""The table of seals: what the ledger held, in ranges, each bound to the one before."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class LedgerSeal(models.Model):
    """The digest of a range of the ledger.

    Writers of the ledger know nothing of it and never wait for it. A row whose transaction
    committed after its range was sealed is late, and sealed with a later range.
    """

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    # Of the ledger's ids, both included; the next range begins where this one ends.
    first = models.BigIntegerField(unique=True)
    last = models.BigIntegerField()
    rows = models.IntegerField()
    # Ids within the range that had no row, as [first, last] pairs: rolled back, or late.
    gaps = models.JSONField(default=list)
    # Ids of earlier ranges' late rows, which this seal covers.
    late = models.JSONField(default=list)
    # The sum of the rows' digests, and of those that have been pruned since; hexadecimal.
    total = models.CharField(max_length=512)
    pruned_total = models.CharField(max_length=512, default="0", db_default="0")
    pruned = models.IntegerField(default=0, db_default=0)
    # Of all of the above but what is pruned, and of the digest before.
    digest = models.CharField(max_length=64)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(last__gte=models.F("first")), name="duly_seal_range"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.first} to {self.last}: {self.digest[:12]}"
