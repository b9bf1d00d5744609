"""`--dry-run`: everything is done, checked by the database, and taken back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction

from duly.conf import config


@contextmanager
def transaction_or_rehearsal(dry_run: bool) -> Iterator[None]:
    """Open a transaction that commits at its end or, on a dry run, rolls back."""
    using = config().database
    with transaction.atomic(using):
        yield
        if dry_run:
            transaction.set_rollback(True, using)
