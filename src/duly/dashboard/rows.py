"""The rows behind a number: the same that were counted, as far as somebody reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q, QuerySet

from duly.conf import config
from duly.dashboard import words
from duly.dashboard.links import admin_url
from duly.errors import InvalidEvent
from duly.ids import first_id
from duly.models import GateEntry, Occurrence, ScheduledEvent
from duly.policy.states import LIVE, OccurrenceStatus
from duly.store.backlog import MOST_COUNTED, OVERDUE_AFTER

MOST_SHOWN = 200
# Where no index knows of what is asked: so many of those that come up first.
MOST_SEARCHED = 2_000
LONGEST = 410
Events = QuerySet[ScheduledEvent, ScheduledEvent]
Occurrences = QuerySet[Occurrence, Occurrence]


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the address of a list says."""

    start: datetime | None = None
    end: datetime | None = None
    gate: str = ""
    service: str = ""
    engine: UUID | None = None

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Given:
        """Read it from the query of a request. Raises InvalidEvent."""
        for name in ("gate", "service"):
            if len(query.get(name, "")) > LONGEST or "\x00" in query.get(name, ""):
                raise InvalidEvent(f"{name} must be a name of at most {LONGEST} characters")
        return cls(
            start=_instant("start", query.get("start", "")),
            end=_instant("end", query.get("end", "")),
            gate=query.get("gate", ""),
            service=query.get("service", ""),
            engine=_uuid(query.get("engine", "")),
        )


@dataclass(frozen=True, slots=True)
class Row:
    """One event or occurrence."""

    what: str
    id: str
    service: str
    status: str
    due: str
    more: str
    url: str
    """Of its page in the admin; empty where that is not installed."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What a list shows."""

    title: str
    about: str
    events: list[Row]
    occurrences: list[Row]
    is_cut: bool
    """Whether there are more."""
    admin_url: str
    """Of the list in the admin that comes nearest, where more can be done; may be empty."""


@dataclass(frozen=True, slots=True)
class _Kind:
    title: str
    about: str
    events: Callable[[Events, Given, datetime], Events | None] | None = None
    occurrences: Callable[[Occurrences, Given, datetime], Occurrences | None] | None = None


def find(using: str, kind: str, given: Given, now: datetime) -> Rows | None:
    """Find the rows of a kind, MOST_SHOWN at most of each table; None: there is no such kind.

    Raises InvalidEvent where the kind needs what is not given.
    """
    found = KINDS.get(kind)
    if found is None:
        return None
    events: list[Row] = []
    occurrences: list[Row] = []
    is_cut = False
    if found.events is not None:
        wanted = found.events(ScheduledEvent.objects.using(using).all(), given, now)
        if wanted is not None:
            rows = list(wanted.defer("payload", "rule")[: MOST_SHOWN + 1])
            is_cut = len(rows) > MOST_SHOWN
            events = [_event(row) for row in rows[:MOST_SHOWN]]
    if found.occurrences is not None:
        born = found.occurrences(Occurrence.objects.using(using).all(), given, now)
        if born is not None:
            those = list(born.defer("payload", "error")[: MOST_SHOWN + 1])
            is_cut = is_cut or len(those) > MOST_SHOWN
            occurrences = [_occurrence(row, now) for row in those[:MOST_SHOWN]]
    about = _about(found.about, given)
    return Rows(found.title, about, events, occurrences, is_cut, _in_admin(kind, given))


def _due_by(ago: timedelta) -> _Kind:
    title = "Late" if ago else "Due"
    about = "Due for over a minute, and not begun." if ago else "Due, and not begun."
    return _Kind(
        title,
        about,
        lambda rows, given, now: rows.filter(next_at__lte=now - ago).order_by("next_at"),
        lambda rows, given, now: rows.filter(wake_at__lte=now - ago).order_by("wake_at"),
    )


def _running(rows: Occurrences, given: Given, now: datetime) -> Occurrences:
    lease = timedelta(seconds=config().lease_seconds)
    live = rows.filter(wake_at__gte=now, wake_at__lte=now + 2 * lease)
    return live.filter(status=OccurrenceStatus.RUNNING).order_by("wake_at")


def _held(rows: Occurrences, given: Given, now: datetime) -> Occurrences:
    if given.engine is None:
        raise InvalidEvent("engine must be the id of one")
    lease = timedelta(seconds=config().lease_seconds)
    live = rows.filter(wake_at__gte=now, wake_at__lte=now + 2 * lease)
    return live.filter(holder=given.engine).order_by("wake_at")


def _dead(rows: Occurrences, given: Given, now: datetime) -> Occurrences:
    return rows.filter(status=OccurrenceStatus.DEAD).order_by("-due_at", "-id")


def _coming(rows: Events, given: Given, now: datetime) -> Events:
    start, end = _both(given)
    return rows.filter(next_at__gte=start, next_at__lt=end).order_by("next_at")


def _born(rows: Occurrences, given: Given, now: datetime) -> Occurrences:
    start, end = _both(given)
    return rows.filter(id__gte=first_id(start), id__lt=first_id(end)).order_by("-id")


def _pending(rows: Events, given: Given, now: datetime) -> Events:
    if not given.service:
        raise InvalidEvent("service must be the name of one")
    soonest = rows.filter(next_at__isnull=False).order_by("next_at").values("pk")[:MOST_SEARCHED]
    return rows.filter(pk__in=soonest, service=given.service).order_by("next_at")


def _at_gate(*states: str) -> Callable[[Occurrences, Given, datetime], Occurrences]:
    def at_gate(rows: Occurrences, given: Given, now: datetime) -> Occurrences:
        if not given.gate:
            raise InvalidEvent("gate must be the name of one, such as service:crm")
        entries = GateEntry.objects.using(rows.db).filter(gate=given.gate, state__in=states)
        ids = list(entries.order_by("rank").values_list("occurrence_id", flat=True)[:MOST_COUNTED])
        return rows.filter(Q(pk__in=ids[: MOST_SHOWN + 1])).order_by("due_at")

    return at_gate


KINDS: Mapping[str, _Kind] = {
    "due": _due_by(timedelta(0)),
    "late": _due_by(OVERDUE_AFTER),
    "running": _Kind("Running", "Attempts that are under way.", None, _running),
    "held": _Kind("In one engine's hands", "What it runs, or holds until it is due.", None, _held),
    "dead": _Kind("Dead", "Their attempts are used up; the latest first.", None, _dead),
    "coming": _Kind("To come", "Events by their next due instant.", _coming),
    "born": _Kind("Taken up", "Occurrences by when an engine took them up.", None, _born),
    "pending": _Kind("Pending", "Of the 2,000 events due soonest, those of a service.", _pending),
    "waiting": _Kind(
        "Waiting",
        "Occurrences that wait before a breaker or a limit.",
        None,
        _at_gate(GateEntry.WAITING, GateEntry.READY),
    ),
    "under-way": _Kind(
        "Under way", "Occurrences that have passed a limit.", None, _at_gate(GateEntry.UNDER_WAY)
    ),
}


def _both(given: Given) -> tuple[datetime, datetime]:
    if given.start is None or given.end is None:
        raise InvalidEvent("start and end must be instants, such as 2027-03-28T00:00:00+00:00")
    return given.start, given.end


def _about(text: str, given: Given) -> str:
    if given.start and given.end:
        text += f" From {words.at(given.start)} to {words.at(given.end)} UTC."
    named = given.gate or given.service or (str(given.engine) if given.engine else "")
    return f"{text} {named}" if named else text


def _in_admin(kind: str, given: Given) -> str:
    span = {name: at.isoformat() for name, at in (("start", given.start), ("end", given.end)) if at}
    match kind:
        case "dead":
            return admin_url("deadletter_changelist")
        case "running":
            return admin_url("occurrence_changelist", status="running")
        case "coming":
            return admin_url("scheduledevent_changelist", **span)
        case "born":
            return admin_url("occurrence_changelist", **span)
        case "pending":
            return admin_url("scheduledevent_changelist", status="scheduled", service=given.service)
        case "waiting" | "under-way":
            return admin_url("gate_change", given.gate)
    return ""


def _event(row: ScheduledEvent) -> Row:
    return Row(
        row.event_type,
        str(row.pk),
        row.service,
        row.status,
        words.at(row.next_at) if row.next_at else "–",
        row.execution_timezone,
        admin_url("scheduledevent_change", row.pk),
    )


def _occurrence(row: Occurrence, now: datetime) -> Row:
    is_live = row.status in LIVE
    more = row.reason or (f"next look {words.at(row.wake_at)}" if is_live and row.wake_at else "")
    return Row(
        row.event_type,
        str(row.pk),
        row.service,
        row.status,
        words.at(row.due_at),
        f"attempt {row.attempt}{'; ' if more else ''}{more}",
        admin_url("occurrence_change", row.pk),
    )


def _instant(name: str, text: str) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
        # A year at either end is none once it is read elsewhere.
        if found.tzinfo is not None and 1970 <= found.year < 9999:
            return found
    except ValueError:
        pass
    raise InvalidEvent(f"{name} must be an instant with an offset, got {text!r:.60}")


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        raise InvalidEvent(f"engine must be a UUID, got {text!r:.60}") from None
