"""Incidents: what somebody should be told of, found by one look in bounded work."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from duly.civil import zones
from duly.civil.freshness import least_age
from duly.engine.rederive import applied_release, prevails
from duly.policy.burn import LONGEST, SLOT, Slot, burning
from duly.policy.notify import Kind, Notify
from duly.store import engines
from duly.store.backlog import MOST_COUNTED, backlog
from duly.store.failures import DIED, end_of_ledger, failures_after
from duly.store.notices import Incident, Turn
from duly.store.pulse import ON_TIME, born_between, pulse_of

EVENT_TYPE = "duly.notification"
"""The type of duly's own events that tell a handler of the project."""
OLD_TZDATA = timedelta(days=90)
# While nobody looked for so long, nobody fired.
OUTAGE = timedelta(minutes=2)
# At a time; the rest with the next look.
MOST_PAGES = 10
# Whether it was on time is known a little after the minute that it has.
JUDGED_AFTER = ON_TIME + timedelta(seconds=2)
# Born in one look's time; of more the share of these stands for all.
MOST_JUDGED = 5_000
MOST_TOLD_ENGINES = 5


def incidents(turn: Turn, notify: Notify) -> Iterator[Incident]:
    """Find what has happened since the last turn, and what is so at this moment."""
    for kinds, look in _LOOKS:
        if kinds & notify.on:
            yield from (one for one in look(turn, notify) if one.kind in notify.on)


def _failures(turn: Turn, notify: Notify) -> Iterator[Incident]:
    last = turn.data.get("ledger")
    if last is None:
        # The first look ever: what is past is not told.
        turn.data["ledger"] = end_of_ledger(turn.using, turn.now)
        return
    for _ in range(MOST_PAGES):
        found, reached = failures_after(turn.using, last, turn.now)
        turn.data["ledger"] = reached
        for one in found:
            if one.fact == DIED:
                # One that tells of failures must not become the next to be told of.
                if one.event_type != EVENT_TYPE:
                    yield Incident(
                        kind=Kind.DEAD,
                        service=one.service,
                        event_type=one.event_type,
                        about=one.what or "no error was recorded",
                        at=one.at,
                    )
            else:
                yield _breaker(one.what, one.at)
        if reached == last or not found:
            return
        last = reached


def _breaker(gate: str, at: datetime) -> Incident:
    kind, _, name = gate.partition(":")
    service, event_type = (name, "") if kind == "service" else ("", name)
    return Incident(
        kind=Kind.BREAKER,
        service=service,
        event_type=event_type,
        group="opened",
        about=f"{gate} has opened",
        at=at,
    )


def _slo(turn: Turn, notify: Notify) -> Iterator[Incident]:
    slots = _judged(turn)
    overdue = backlog(turn.using, turn.now).overdue
    burn = burning(slots, turn.now, notify.objective, overdue=overdue)
    if burn is None:
        return
    many = "+" if overdue >= MOST_COUNTED else ""
    yield Incident(
        kind=Kind.SLO,
        at=turn.now,
        group=burn.pace.name,
        is_state=True,
        about=(
            f"{burn.late} of {burn.total} began more than a minute late within "
            f"{burn.pace.long / timedelta(hours=1):g} h ({overdue}{many} wait now): the budget of "
            f"{1 - notify.objective:.3%} burns {burn.rate:.1f} times too fast"
        ),
    )


def _judged(turn: Turn) -> list[Slot]:
    """Judge what was born since the last turn, and give all slots that matter.

    The slots are kept with the turn: [start in seconds since 1970, total, late].
    """
    until = turn.now - JUDGED_AFTER
    since = _instant(turn.data.get("judged"), until)
    slots: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0])
    for start, total, late in turn.data.get("slots", ()):
        slots[start] = [total, late]
    while since < until:
        end = min(until, _slot_of(since) + SLOT)
        rows = born_between(turn.using, since, end - timedelta(milliseconds=1), MOST_JUDGED)
        seen = pulse_of(turn.using, rows, turn.now, end - since)
        slot = slots[int(_slot_of(since).timestamp())]
        slot[0] += seen.on_time + seen.late
        slot[1] += seen.late
        since = end
    oldest = (turn.now - LONGEST - SLOT).timestamp()
    kept = {start: counts for start, counts in slots.items() if start >= oldest}
    turn.data["judged"] = until.timestamp()
    turn.data["slots"] = [[start, *counts] for start, counts in sorted(kept.items())]
    return [Slot(datetime.fromtimestamp(start, UTC), *counts) for start, counts in kept.items()]


def _instant(seconds: float | None, until: datetime) -> datetime:
    """Read from when on it was not judged yet: not further back than it matters."""
    if seconds is None:
        return until
    return max(datetime.fromtimestamp(seconds, UTC), until - LONGEST)


def _slot_of(at: datetime) -> datetime:
    seconds = SLOT.total_seconds()
    return datetime.fromtimestamp(at.timestamp() // seconds * seconds, UTC)


def _engines(turn: Turn, notify: Notify) -> Iterator[Incident]:
    if not engines.is_firing(turn.using, turn.now):
        about = "no engine is alive: nothing fires"
        yield Incident(kind=Kind.ENGINE, at=turn.now, about=about, is_state=True)
    elif turn.since is not None and turn.now - turn.since > OUTAGE:
        about = f"nobody fired from {turn.since:%Y-%m-%d %H:%M:%S} to {turn.now:%H:%M:%S} UTC"
        yield Incident(kind=Kind.ENGINE, at=turn.now, about=about, group="outage")
    since = (turn.since or turn.now) - engines.ALIVE_WITHIN
    lost = [one for one in engines.lost(turn.using, turn.now) if one.beat_at >= since]
    for one in lost[:MOST_TOLD_ENGINES]:
        yield Incident(
            kind=Kind.ENGINE,
            at=one.beat_at,
            group=f"fell silent on {one.host}",
            about=f"the engine of process {one.pid} on {one.host} fell silent at "
            f"{one.beat_at:%H:%M:%S} UTC, without stopping",
        )


def _tzdata(turn: Turn, notify: Notify) -> Iterator[Incident]:
    own, applied = zones.current().release, applied_release(turn.using)
    age = least_age(own, turn.now)
    if not prevails(applied):
        about = f"an engine has tzdata {own}, which is older than {applied}, which events follow"
    elif age is not None and age >= OLD_TZDATA:
        about = f"the time zone data is of release {own}: upgrade tzdata where engines run"
    else:
        return
    yield Incident(kind=Kind.TZDATA, at=turn.now, about=about, is_state=True)


_LOOKS = (
    (frozenset({Kind.DEAD, Kind.BREAKER}), _failures),
    (frozenset({Kind.SLO}), _slo),
    (frozenset({Kind.ENGINE}), _engines),
    (frozenset({Kind.TZDATA}), _tzdata),
)
