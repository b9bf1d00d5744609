"""The values that cross between the engine and the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, cast
from uuid import UUID

from duly.civil.instants import Instant, WallTime
from duly.civil.resolve import Due, Resolution
from duly.policy.catch_up import Missed
from duly.policy.outcome import Decision
from duly.policy.states import EventStatus, OnTzdataChange


@dataclass(frozen=True, slots=True)
class DueEvent:
    """An event that has come due, locked for the transaction that read it."""

    id: UUID
    event_type: str
    rule: Any
    """The rule's JSON form."""
    due_at: datetime
    handling: Any
    """The JSON form of its policies."""
    exceptions: Sequence[str] = ()
    """Due instants to leave out, in ISO 8601."""
    service: str = "default"


@dataclass(frozen=True, slots=True)
class PassedOver:
    """Events that a look for what is due leaves to others, or to a later one."""

    types: frozenset[str] = frozenset()
    """Those of these types, but not where their service delivers elsewhere."""
    services: frozenset[str] = frozenset()
    elsewhere: frozenset[str] = frozenset()
    """The services whose events go to no handler of this process."""

    def __bool__(self) -> bool:
        return bool(self.types or self.services)

    def and_also(self, others: PassedOver) -> PassedOver:
        """Give what passes over both."""
        if not others:
            return self
        return PassedOver(
            self.types | others.types,
            self.services | others.services,
            self.elsewhere | others.elsewhere,
        )


NOBODY = PassedOver()


class Birth(Enum):
    """What becomes of an instant that is due."""

    QUEUED = "queued"
    """It is born, to begin later."""
    RUNNING = "running"
    """It is born, and its first attempt begins with it: one write where there were two."""
    LEFT = "left"
    """It is not born yet: the event stays as it is, for whoever has room for it."""
    NONE = "none"
    """It does not fire: the event only moves on."""


@dataclass(frozen=True, slots=True)
class Advance:
    """Where an event goes once its occurrence is born."""

    next_due: Due | None
    """None: the rule names no further instant, and the event is finished."""
    fingerprint: str = ""
    """Of the zone data that `next_due` was derived with."""
    problem: str = ""
    """Not empty: the rule could not be evaluated; the event is paused with this reason."""
    birth: Birth = Birth.QUEUED
    """What becomes of the present instant."""
    missed: Missed | None = None
    """The instants that do not fire, for the ledger."""
    left_out: tuple[datetime, ...] = ()
    """The instants that a person has left out, for the ledger."""
    expires_at: datetime | None = None
    """When it is too late to begin the occurrence."""

    @property
    def status(self) -> EventStatus:
        """The state that the event takes."""
        if self.problem:
            return EventStatus.PAUSED
        return EventStatus.SCHEDULED if self.next_due else EventStatus.FINISHED


Advancer = Callable[[DueEvent], Advance]
FINISHED = Advance(None)
"""Of a one-off, whose only instant is the present one."""


@dataclass(frozen=True, slots=True)
class StaleEvent:
    """An event whose next instant was derived with other zone data, locked as DueEvent is."""

    id: UUID
    event_type: str
    rule: Any
    """The rule's JSON form."""
    due: Due
    on_tzdata_change: OnTzdataChange
    since: Callable[[], datetime]
    """Asks for the instant that `due` was the next of."""


Rederiver = Callable[[StaleEvent], Advance]


@dataclass(frozen=True, slots=True)
class Rederived:
    """What other zone data made of an event."""

    event: StaleEvent
    advance: Advance

    @property
    def moved(self) -> bool:
        """Whether anything but the fingerprint is another now."""
        due = self.advance.next_due
        return due is None or (due.at, due.wall_time) != (
            self.event.due.at,
            self.event.due.wall_time,
        )


@dataclass(frozen=True, slots=True)
class ZoneInUse:
    """A zone that events are scheduled in, and the fingerprint of its data at that time."""

    zone: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Claim:
    """The right of one holder to one occurrence, until its lease runs out."""

    id: UUID
    event_id: UUID
    event_type: str
    service: str
    key: str | None
    entity_type: str
    entity_id: str
    payload: str = field(repr=False)
    """JSON text or its envelope, as stored."""
    due_at: datetime
    wall_time: datetime
    zone: str
    user_timezone: str
    resource_timezone: str
    attempt: int
    """Attempts begun so far. Starting one makes it that attempt's number, the fencing token."""
    forgiven: int
    """How many of these do not count: snoozed, or before a replay."""
    handling: Any
    """The JSON form of its event's policies, as they were when it was born."""
    expires_at: datetime | None
    """When it is too late to begin."""
    ready_at: datetime
    """When it may start: its due instant, or the end of a retry's wait."""


def lateness(claims: Iterable[Claim], began_at: datetime) -> list[float]:
    """Give how late each first attempt among those that began at an instant is, in seconds."""
    return [(began_at - claim.due_at).total_seconds() for claim in claims if not claim.attempt]


@dataclass(frozen=True, slots=True)
class Born:
    """What one look for due events gave birth to."""

    waiting: list[Claim]
    """Queued: each is to be started at its instant."""
    begun: list[Claim]
    """Running: the first attempt of each has begun."""
    is_full: bool = False
    """Whether it dealt with as many as it was asked for, so that more may be due."""
    reached: datetime | None = None
    """When the last of those was due that it dealt with."""

    def add(self, claim: Claim, birth: Birth) -> None:
        """Put a claim where its birth says."""
        (self.begun if birth is Birth.RUNNING else self.waiting).append(claim)


@dataclass(frozen=True, slots=True)
class Expired:
    """A running attempt whose lease ran out, locked for the transaction that read it."""

    id: UUID
    event_id: UUID
    due_at: datetime
    event_type: str
    attempt: int
    forgiven: int
    handling: Any
    service: str


@dataclass(frozen=True, slots=True)
class Result:
    """What follows from one attempt, to be written if that attempt still holds."""

    id: UUID
    event_id: UUID
    due_at: datetime
    attempt: int
    decision: Decision
    exclusive: bool = False
    """Whether others of its event may wait for its end."""
    saga: UUID | None = None
    """The saga that it is a step of."""
    context: str | None = field(default=None, repr=False)
    """JSON text of what it adds to the saga's context."""
    trace: str = ""
    """The `traceparent` of the attempt; empty where nobody traces."""
    handling: Mapping[str, Any] | None = None
    """What its occurrence is to keep beside its policies from now on; None: what it has."""


@dataclass(frozen=True, slots=True)
class Horizon:
    """The next instants at which there is something to do; None: nothing at all."""

    event_at: datetime | None
    occurrence_at: datetime | None


def resolution_text(due: Due) -> str:
    """Say in one column how a due instant was resolved, with its jitter in seconds.

    "plain", "gap:shift", "overlap:first", "plain+12.500000".
    """
    text = f"{due.resolution}:{due.policy}" if due.policy else due.resolution
    return f"{text}+{due.jitter.total_seconds():.6f}" if due.jitter else text


def stored_due(at: datetime, wall_time: datetime, zone: str, resolution: str) -> Due:
    """Give back the Due that four columns hold."""
    how, _, jitter = resolution.partition("+")
    kind, _, policy = how.partition(":")
    late = timedelta(seconds=float(jitter)) if jitter else timedelta(0)
    return Due(Instant(at), WallTime(wall_time), zone, cast("Resolution", kind), policy, late)
