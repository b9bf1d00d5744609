"""Dead occurrences by what they died of, and how many there are, in bounded work."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Substr

from duly.models import Occurrence

# Of the newest; each is a line of text in memory.
MOST_GROUPED = 5_000
LONGEST_LINE = 300


@dataclass(slots=True, kw_only=True)
class Group:
    """Dead occurrences of one event type that died of the same."""

    service: str
    event_type: str
    error: str
    """The first line, and no more than 300 characters of it."""
    count: int
    first_due_at: datetime
    last_due_at: datetime
    latest: UUID
    """The one that was due last."""


@dataclass(frozen=True, slots=True)
class Groups:
    """What the dead died of."""

    groups: list[Group]
    """The largest first."""
    looked_at: int
    is_whole: bool
    """Whether all were looked at; False: only so many of the newest."""


def grouped(rows: QuerySet[Occurrence, Occurrence], most: int = MOST_GROUPED) -> Groups:
    """Part dead occurrences by service, event type and error; of the newest, so many."""
    # What follows the first line differs with each, and may be long.
    lines = rows.annotate(line=Substr("error", 1, LONGEST_LINE)).order_by("-due_at", "-id")
    found = list(lines.values_list("service", "event_type", "line", "due_at", "id")[: most + 1])
    groups: dict[tuple[str, str, str], Group] = {}
    for service, event_type, line, due_at, id_ in found[:most]:
        error = line.partition("\n")[0]
        group = groups.get((service, event_type, error))
        if group is None:
            groups[service, event_type, error] = Group(
                service=service,
                event_type=event_type,
                error=error,
                count=1,
                first_due_at=due_at,
                last_due_at=due_at,
                latest=id_,
            )
        else:
            group.count += 1
            group.first_due_at = due_at
    ordered = sorted(groups.values(), key=lambda group: -group.count)
    return Groups(ordered, min(len(found), most), len(found) <= most)


def count_up_to(rows: QuerySet[Any, Any], most: int) -> int:
    """Count rows, and stop at so many."""
    return rows[:most].count()
