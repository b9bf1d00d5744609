"""Why a person did something: a fact of its own beside the facts that tell what was done."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from duly.models import LedgerEntry
from duly.store import facts

LONGEST_REASON = 500


class Subject(NamedTuple):
    """What was done something to."""

    event_id: UUID
    """Of an event or a saga; `facts.THE_LEDGER` where it was neither."""
    occurrence_id: UUID | None = None


def note(
    using: str,
    subjects: Iterable[Subject],
    what: str,
    reason: str,
    now: datetime,
    actor: str,
    **others: str,
) -> None:
    """Append why something was done, once for each that it was done to.

    what: in a few words, such as "pause". others: what else is to be told. The caller has the
        transaction in which it was done.
    """
    data = {"what": what, "reason": reason[:LONGEST_REASON], **others}
    LedgerEntry.objects.using(using).bulk_create(
        facts.entry(facts.NOTED, now, event_id, occurrence_id, actor=actor, data=data)
        for event_id, occurrence_id in subjects
    )
