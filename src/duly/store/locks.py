"""Locks on rows, as far as a database has them."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db import connections
from django.db.models import QuerySet

_Rows = TypeVar("_Rows", bound=QuerySet[Any, Any])


def unlocked(rows: _Rows, of: tuple[str, ...] = ()) -> _Rows:
    """Give those rows that nobody else has locked, locked until the transaction ends.

    of: the tables of a join whose rows are meant; where the database cannot tell, all are.
    A database without locks on rows (SQLite) gives all of them.
    """
    features = connections[rows.db].features
    if not features.has_select_for_update:
        return rows
    return rows.select_for_update(
        skip_locked=features.has_select_for_update_skip_locked,
        of=of if features.has_select_for_update_of else (),
    )
