"""Rederive: other time zone data moves the events of the zones that it changes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial

from duly.civil import zones
from duly.civil.forms import rule_from_json
from duly.civil.instants import Instant
from duly.civil.resolve import Due
from duly.clock import Clock
from duly.errors import UnknownZone
from duly.policy.states import OnTzdataChange
from duly.store import stamps
from duly.store.contract import Store
from duly.store.rows import Advance, Rederived, StaleEvent, ZoneInUse
from duly.telemetry import emit

# An upgrade of the data is announced months before it matters; and what a process with
# other data schedules is put right this soon.
CHECK_SECONDS = 60.0
# An upgrade under way is looked at again soon, to see whether it has come to its end.
SETTLE_SECONDS = 1.0
# One transaction: some 50 ms on PostgreSQL, in which nothing else of these events moves.
BATCH = 500
_RELEASE = re.compile(r"[0-9]{4}[a-z]+", re.ASCII)


class TzdataWatch:
    """Looks now and then whether the data changed, and moves the events that it moves."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._check_at = clock.monotonic()
        self._stale: list[ZoneInUse] = []
        self._reason = ""

    def turn(self, now: datetime, until: datetime) -> bool:
        """Move what is due by `until`, and some of the rest; say whether more is left.

        Once it returns, nothing that is due by `until` follows other data.
        """
        at = self._clock.monotonic()
        if at >= self._check_at:
            self._check()
            self._check_at = at + (SETTLE_SECONDS if zones.is_changing() else CHECK_SECONDS)
        if not self._stale:
            return False
        for zone in self._stale:
            while len(self._moved(zone, now, until)) == BATCH:
                pass
        if len(self._moved(self._stale[0], now, None)) < BATCH:
            del self._stale[0]
        if not self._stale:
            stamp(self._store.using, now)
        return bool(self._stale)

    def _check(self) -> None:
        if zones.refresh():
            emit("tzdata.changed", release=zones.current().release)
        applied = applied_release(self._store.using)
        if not prevails(applied):
            self._stale = []
            emit("tzdata.outdated", release=zones.current().release, applied=applied)
            return
        self._reason = reason(applied)
        self._stale = stale_zones(self._store)

    def _moved(self, zone: ZoneInUse, now: datetime, until: datetime | None) -> list[Rederived]:
        found = self._store.rederive(
            zone, now=now, until=until, limit=BATCH, derive=derive, reason=self._reason
        )
        if found:
            moved = sum(one.moved for one in found)
            emit("events.rederived", zone=zone.zone, count=len(found), moved=moved)
        return found


def rederive_all(store: Store, now: datetime) -> Iterator[Rederived]:
    """Move every event whose zone has other data than it follows; gives each as it is done.

    Each batch is a transaction of its own: stopped in between, it goes on from there.
    """
    because = reason(applied_release(store.using))
    for zone in stale_zones(store):
        take = partial(
            store.rederive, zone, now=now, until=None, limit=BATCH, derive=derive, reason=because
        )
        while found := take():
            yield from found
    stamp(store.using, now)


def rehearse(store: Store) -> Iterator[Rederived]:
    """Say what `rederive_all` would make of each event; locks and changes nothing."""
    for zone in stale_zones(store):
        for event in store.stale_events(zone):
            yield Rederived(event, derive(event))


def stale_zones(store: Store) -> list[ZoneInUse]:
    """Find the zones in use that have other data now than their events follow."""
    return [used for used in store.zones_in_use() if fingerprint(used.zone) != used.fingerprint]


def fingerprint(zone: str) -> str:
    """Give the fingerprint of a zone's present data; empty for a zone that is gone."""
    try:
        return zones.get_zone(zone).fingerprint
    except UnknownZone:
        return ""


def derive(event: StaleEvent) -> Advance:
    """Say where an event goes by the present data, and by its own policy."""
    due = event.due
    try:
        zone = zones.get_zone(due.zone)
        rule = rule_from_json(event.rule)
        # Asked for only where it is needed: it is a statement for each event.
        since = Instant(event.since()) if rule.is_elapsed else due.at
        derived = rule.rederived(due, since)
    except Exception as error:
        # As in planning: one rule must not stop the batch that it is in.
        return Advance(None, problem=f"the rule cannot be evaluated: {error}")
    match event.on_tzdata_change:
        case OnTzdataChange.KEEP_INSTANT:
            reading = zone.wall_time_at(due.at - due.jitter)
            same = reading == due.wall_time
            derived = (
                due if same else replace(due, wall_time=reading, resolution="plain", policy="")
            )
        case OnTzdataChange.HOLD if derived is None or derived.at != due.at:
            return Advance(None, problem=_held(due, derived))
    return Advance(derived, zone.fingerprint)


def applied_release(using: str) -> str | None:
    """Give the release that the events of a database follow; None before the first."""
    data = stamps.read(using, stamps.TZDATA)
    return None if data is None else str(data.get("release"))


def prevails(applied: str | None) -> bool:
    """Say whether this process may move events: its data is not older than what they follow.

    Otherwise two processes with two releases would move them back and forth for ever.
    """
    own = zones.current().release
    if applied is None or not (_RELEASE.fullmatch(own) and _RELEASE.fullmatch(applied)):
        return True
    return own >= applied


def reason(applied: str | None) -> str:
    """Say in the ledger why events move."""
    before = f"tzdata {applied}" if applied else "other data"
    return f"time zone data: {before} -> tzdata {zones.current().release}"


def stamp(using: str, now: datetime) -> None:
    """Write down which data the events follow now."""
    current = zones.current()
    data = {"release": current.release, "source": current.source}
    if stamps.read(using, stamps.TZDATA) != data:
        stamps.write(using, stamps.TZDATA, data, now)


def _held(due: Due, derived: Due | None) -> str:
    becomes = derived.at.isoformat() if derived else "nothing"
    return (
        f"held: by tzdata {zones.current().release} {due.wall_time.isoformat()} in {due.zone} is "
        f"{becomes}, and was {due.at.isoformat()}; resume it to go on"
    )
