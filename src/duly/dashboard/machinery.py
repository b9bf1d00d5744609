"""What fires and where it goes: engines, breakers, and services against their quotas."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from duly import clock
from duly.civil import zones
from duly.dashboard import words
from duly.dashboard.links import admin_url, rows_url
from duly.engine.guard import CLOCK_OFFSET_SECONDS
from duly.models import Engine, Gate, GateEntry, QuotaUse
from duly.policy.breaker import BreakerStatus
from duly.policy.quota import EVENTS, REQUESTS, Left, left_of, microseconds
from duly.policy.service import Service
from duly.services import registry
from duly.store import engines as store
from duly.store.backlog import MOST_COUNTED

MOST_SHOWN = 50
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class EngineShown:
    """One engine."""

    name: str
    state: str
    heard_of: str
    is_lost: bool
    version: str
    tzdata: str
    offset: str
    is_off: bool
    busy: str
    held: str
    running_url: str


@dataclass(frozen=True, slots=True)
class BreakerShown:
    """One breaker, limit or rate."""

    name: str
    status: str
    told: str
    """What made it open, or would."""
    tried: str
    waiting: str
    under_way: str
    waiting_url: str
    under_way_url: str
    url: str


@dataclass(frozen=True, slots=True)
class QuotaShown:
    """How much of one quota, or limit, is used."""

    name: str
    used: int
    limit: int
    told: str
    url: str = ""

    @property
    def is_full(self) -> bool:
        """Whether nothing more is let in."""
        return self.used >= self.limit


@dataclass(frozen=True, slots=True)
class ServiceShown:
    """One registered service."""

    name: str
    target: str
    quotas: tuple[QuotaShown, ...]
    url: str
    events_url: str


@dataclass(frozen=True, slots=True)
class Machinery:
    """All of it."""

    engines: tuple[EngineShown, ...]
    alive: int
    breakers: tuple[BreakerShown, ...]
    more_breakers: bool
    services: tuple[ServiceShown, ...]
    more_services: bool
    tzdata: str
    """The release that this process computes with."""
    offset: str
    """Of this host's clock."""


def machinery(using: str, now: datetime) -> Machinery:
    """Look at what fires, and where that goes."""
    alive, lost = store.alive(using, now), store.lost(using, now)
    entries = list(
        GateEntry.objects.using(using).order_by().values_list("gate", "state")[:MOST_COUNTED]
    )
    counts = Counter(
        (gate, "under_way" if state == GateEntry.UNDER_WAY else "waiting")
        for gate, state in entries
        if state != GateEntry.RESERVED
    )
    plus = "+" if len(entries) >= MOST_COUNTED else ""
    gates = Gate.objects.using(using).exclude(name__startswith="key:")
    # Closed ones come last: what is wrong is not to be beyond the end.
    shut = list(gates.exclude(status=BreakerStatus.CLOSED).order_by("name")[: MOST_SHOWN + 1])
    rest = gates.filter(status=BreakerStatus.CLOSED).order_by("name")[: MOST_SHOWN + 1]
    rows = [*shut, *rest]
    registry.refresh()
    services = sorted(registry.registered(), key=lambda one: one.name)
    here = (clock.host_now() - now).total_seconds()
    return Machinery(
        tuple(_engine(one, now, is_lost=one in lost) for one in [*alive, *lost[:MOST_SHOWN]]),
        sum(one.stopping_at is None for one in alive),
        tuple(_breaker(row, counts, plus, now) for row in rows[:MOST_SHOWN]),
        len(rows) > MOST_SHOWN,
        tuple(_services(using, services[:MOST_SHOWN], counts, now)),
        len(services) > MOST_SHOWN,
        zones.current().release,
        f"{here:+.3f} s",
    )


def _engine(one: Engine, now: datetime, *, is_lost: bool) -> EngineShown:
    state = "lost" if is_lost else "stopping" if one.stopping_at else "alive"
    return EngineShown(
        f"{one.host}, process {one.pid}",
        state,
        words.span(now - one.beat_at),
        is_lost,
        one.version,
        one.tzdata_release,
        f"{one.clock_offset:+.3f} s",
        abs(one.clock_offset) > CLOCK_OFFSET_SECONDS,
        f"{one.running:,} of {one.concurrency:,}",
        f"{one.held:,}",
        rows_url("held", engine=str(one.holder)),
    )


def _breaker(
    row: Gate, counts: Mapping[tuple[str, str], int], plus: str, now: datetime
) -> BreakerShown:
    return BreakerShown(
        row.name,
        row.status,
        f"{row.in_row:,} failures in a row; {row.failed:,} of {row.failed + row.succeeded:,} "
        "in its window",
        _tried(row, now),
        f"{counts.get((row.name, 'waiting'), 0):,}{plus}",
        f"{counts.get((row.name, 'under_way'), 0):,}{plus}",
        rows_url("waiting", gate=row.name),
        rows_url("under-way", gate=row.name),
        admin_url("gate_change", row.name),
    )


def _tried(row: Gate, now: datetime) -> str:
    if row.status != BreakerStatus.OPEN:
        return "–"
    if row.probe_at is None:
        return "when it is closed by hand"
    return "now" if row.probe_at <= now else f"in {words.span(row.probe_at - now)}"


def _services(
    using: str,
    services: Iterable[Service],
    counts: Mapping[tuple[str, str], int],
    now: datetime,
) -> Iterator[ServiceShown]:
    services = list(services)
    names = [f"{kind}:{one.name}" for one in services for kind in (REQUESTS, EVENTS)]
    used = {row.name: row for row in QuotaUse.objects.using(using).filter(name__in=names)}
    for one in services:
        yield ServiceShown(
            one.name,
            type(one.target).__name__.removesuffix("Target").lower(),
            tuple(_quotas(one, used, counts, now)),
            admin_url("service_change", one.name),
            rows_url("pending", service=one.name),
        )


def _quotas(
    service: Service,
    used: Mapping[str, QuotaUse],
    counts: Mapping[tuple[str, str], int],
    now: datetime,
) -> Iterator[QuotaShown]:
    limit = service.limits.in_flight
    if limit is not None:
        under_way = counts.get((service.gate, "under_way"), 0)
        url = rows_url("under-way", gate=service.gate)
        yield QuotaShown("under way", under_way, limit, f"{under_way:,} of {limit:,}", url)
    now_us = microseconds(now - _EPOCH)
    for kind, rate in ((REQUESTS, service.quota.requests), (EVENTS, service.quota.events)):
        if rate is not None:
            row = used.get(f"{kind}:{service.name}")
            yield _taken(left_of(kind, rate, row.full_at_us if row else 0, now_us), str(rate))
    if service.quota.pending is not None:
        row = used.get(f"{EVENTS}:{service.name}")
        pending, most = row.pending if row else 0, service.quota.pending
        url = rows_url("pending", service=service.name)
        yield QuotaShown("pending", pending, most, f"at most {pending:,} of {most:,}", url)


def _taken(left: Left, rate: str) -> QuotaShown:
    taken = left.limit - left.left
    return QuotaShown(left.name, taken, left.limit, f"{taken:,} of {rate}")
