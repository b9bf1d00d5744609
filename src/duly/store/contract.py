"""Everything the engine asks of a database, in one list.

Two implementations answer it: `portable` on Django's ORM, and `postgres` with
statements of its own. `tests/store` runs the same promises against both.

Common to all: every call is one transaction, its ledger rows included; `now` is given,
never read; every change of an occurrence is a compare-and-set on (status, attempt), and
what has moved on meanwhile is left alone and not returned.

`since` says from which instant on to look; None is from the beginning. It spares the rows
that are no more there but that an old snapshot keeps; a store that has none may ignore it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from duly.policy.outcome import Decision
from duly.store.rows import (
    NOBODY,
    Advancer,
    Born,
    Claim,
    Expired,
    Horizon,
    PassedOver,
    Rederived,
    Rederiver,
    Result,
    StaleEvent,
    ZoneInUse,
)


class Store(Protocol):
    """One database, as the engine sees it."""

    using: str

    def horizon(
        self, events_since: datetime | None = None, occurrences_since: datetime | None = None
    ) -> Horizon:
        """Find the next event and the next occurrence to look at; takes no lock."""
        ...

    def claim_due(  # noqa: PLR0913 - the terms of one claim
        self,
        *,
        now: datetime,
        until: datetime,
        limit: int,
        lease_until: datetime,
        holder: UUID,
        advance: Advancer,
        since: datetime | None = None,
        without: PassedOver = NOBODY,
        urgent: bool = False,
    ) -> Born:
        """Give birth to the occurrences due by `until`, earliest first, held by `holder`.

        Each event is moved on to what `advance` says in the same transaction, so that a
        due instant has one occurrence whatever crashes. Events that another process has
        locked are passed over, and those in `without`. urgent: only what has a priority.
        """
        ...

    def claim_waking(  # noqa: PLR0913 - the terms of one claim
        self,
        *,
        now: datetime,
        until: datetime,
        limit: int,
        lease_until: datetime,
        holder: UUID,
        since: datetime | None = None,
        without: PassedOver = NOBODY,
    ) -> list[Claim]:
        """Hand out again what waits for a retry by `until`, or whose hand-out lapsed by `now`.

        What others have locked is passed over, and the services in `without`.
        """
        ...

    def rescue_expired(
        self,
        *,
        now: datetime,
        limit: int,
        decide: Callable[[Expired], Decision],
        since: datetime | None = None,
    ) -> int:
        """End the running attempts whose lease ran out by `now`, as `decide` says of each."""
        ...

    def start(
        self, claims: Sequence[Claim], *, now: datetime, lease_until: datetime, holder: UUID
    ) -> set[UUID]:
        """Begin the next attempt of each; gives the ids of those that really began."""
        ...

    def take(
        self,
        id_: UUID,
        attempt: int,
        *,
        event_types: Collection[str],
        now: datetime,
        lease_until: datetime,
        holder: UUID,
    ) -> Claim | None:
        """Begin one attempt of an occurrence that is queued for it, where nothing hinders that.

        None where it is not queued for this attempt, of none of these types, too late, or
        where others of its event may stand in its way: `find_queued` tells which.
        """
        ...

    def find_queued(self, id_: UUID, attempt: int) -> Claim | None:
        """Read an occurrence that is queued for this attempt; takes no lock."""
        ...

    def finish(self, results: Sequence[Result], *, now: datetime) -> set[UUID]:
        """Write the outcome of attempts that still hold; the others are recorded as fenced.

        Gives the ids of those written.
        """
        ...

    def extend(
        self, held: Collection[tuple[UUID, int]], *, lease_until: datetime, holder: UUID
    ) -> set[UUID]:
        """Extend the leases of (occurrence, attempt) pairs; gives the ids still held."""
        ...

    def release(self, claims: Sequence[Claim], *, now: datetime, holder: UUID) -> int:
        """Give back what was claimed and not begun, for any engine to take at once."""
        ...

    def park(
        self, claims: Sequence[Claim], *, now: datetime, wake_at: datetime, reason: str
    ) -> int:
        """Put aside what nobody here can run, until `wake_at`; no attempt is spent."""
        ...

    def zones_in_use(self) -> list[ZoneInUse]:
        """Find the zones of the events that are scheduled, each with the data they follow."""
        ...

    def stale_events(self, stale: ZoneInUse) -> Iterator[StaleEvent]:
        """Read the events that `rederive` would take, without locking any."""
        ...

    def rederive(
        self,
        stale: ZoneInUse,
        *,
        now: datetime,
        until: datetime | None,
        limit: int,
        derive: Rederiver,
        reason: str,
    ) -> list[Rederived]:
        """Derive the next instants of a zone's events anew, soonest first.

        until: only what is due by then; None: all. Gives what it took, at most `limit`:
        none where nothing is left, or where others have the rest locked. The ledger tells
        of each whose instant or civil time is another now, with `reason`.
        """
        ...

    def skip(self, claims: Sequence[Claim], *, now: datetime, reason: str) -> set[UUID]:
        """End what was claimed and is not to begin any more; gives the ids of those ended."""
        ...

    def asked_to_stop(self, ids: Collection[UUID]) -> set[UUID]:
        """Find which running occurrences a newer one of their event asks to stop."""
        ...

    def unpark(self, event_types: Collection[str], *, now: datetime) -> int:
        """Wake what was parked for want of a handler of these types."""
        ...
