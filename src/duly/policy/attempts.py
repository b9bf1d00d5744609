"""The attempts at an occurrence, as its ledger tells them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, NamedTuple

RUNNING: Final = "running"
"""What an attempt is that the ledger does not tell the end of."""

_ENDS = frozenset({"succeeded", "retried", "snoozed", "died", "released", "cancelled"})


class Told(NamedTuple):
    """One row of the ledger about an occurrence."""

    fact: str
    at: datetime
    attempt: int | None
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try at an occurrence."""

    number: int
    """1 for the first; also the fencing token."""
    holder: str = ""
    """The id of the process that it began in; empty where that has been pruned."""
    began_at: datetime | None = None
    """None: that has been pruned."""
    ended_at: datetime | None = None
    outcome: str = RUNNING
    """The ledger's word: succeeded, retried, snoozed, released, died, cancelled; or running."""
    error: str = ""
    """What it failed with, as far as the ledger has it."""
    retry_at: datetime | None = None
    """When the next attempt was set to begin."""
    fenced_at: datetime | None = None
    """When a result came that changed nothing, since the attempt had been given up."""


def attempts(told: Iterable[Told]) -> tuple[Attempt, ...]:
    """Give the attempts that the facts about one occurrence tell of, by number.

    told: oldest first.
    """
    found: dict[int, Attempt] = {}
    latest = 0
    for one in told:
        # A cancellation, and a release of what had not begun, name no attempt.
        number = one.attempt or (latest if one.fact == "cancelled" else 0)
        if not number:
            continue
        known = found.get(number, Attempt(number=number))
        if one.fact == "started":
            latest = max(latest, number)
            holder = str(one.data.get("holder") or "")
            found[number] = replace(known, began_at=one.at, holder=holder)
        elif one.fact == "fenced":
            found[number] = replace(known, fenced_at=one.at)
        elif one.fact in _ENDS and known.ended_at is None:
            found[number] = replace(
                known,
                ended_at=one.at,
                outcome=one.fact,
                error=str(one.data.get("error") or one.data.get("reason") or ""),
                retry_at=_instant(one.data.get("wake_at")),
            )
    return tuple(found[number] for number in sorted(found))


def _instant(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        # Another's row: what can be told of the attempt is told all the same.
        return None
