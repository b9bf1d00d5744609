"""An iCalendar object as text. Source: RFC 5545, and RFC 7986 for what describes the calendar."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

LONGEST_LINE = 75
"""In octets, its end not counted (RFC 5545 3.1)."""
_CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
# A calendar has at least one component (3.4), and this one does no harm.
_NO_EVENT = (
    "BEGIN:VTIMEZONE",
    "TZID:Etc/UTC",
    "BEGIN:STANDARD",
    "DTSTART:19700101T000000",
    "TZOFFSETFROM:+0000",
    "TZOFFSETTO:+0000",
    "TZNAME:UTC",
    "END:STANDARD",
    "END:VTIMEZONE",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One VEVENT."""

    uid: str
    starts_at: datetime
    """Aware; seconds count."""
    changed_at: datetime
    """Aware."""
    summary: str
    description: str
    category: str


def calendar(name: str, entries: Iterable[Entry], refresh: timedelta) -> str:
    """Write a calendar.

    Its instants are in UTC, which needs no VTIMEZONE: each entry is one firing, whose instant
    is known. Civil time with a TZID would be resolved again by the reader, by data of its own,
    and could not name the second pass of an overlap (3.3.5).
    """
    minutes = int(refresh.total_seconds() // 60)
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//duly//calendar feed//EN",
        "CALSCALE:GREGORIAN",
        f"NAME:{escaped(name)}",
        f"X-WR-CALNAME:{escaped(name)}",
        f"REFRESH-INTERVAL;VALUE=DURATION:PT{minutes}M",
        f"X-PUBLISHED-TTL:PT{minutes}M",
    ]
    events = [line for entry in entries for line in _event(entry)]
    lines += events or _NO_EVENT
    lines.append("END:VCALENDAR")
    return "".join(f"{part}\r\n" for line in lines for part in folded(line))


def escaped(text: str) -> str:
    """Write text as a value (3.3.11): no control characters, and nothing that ends it."""
    plain = _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    for character in "\\;,":
        plain = plain.replace(character, f"\\{character}")
    return plain.replace("\n", "\\n")


def folded(line: str) -> Iterator[str]:
    """Part a line that is too long, between characters (3.1)."""
    start, size = 0, 0
    for place, character in enumerate(line):
        width = len(character.encode("utf-8"))
        if size + width > LONGEST_LINE:
            yield line[start:place] if not start else f" {line[start:place]}"
            # The space that marks a continuation counts as well.
            start, size = place, 1
        size += width
    yield line[start:] if not start else f" {line[start:]}"


def _event(entry: Entry) -> Iterator[str]:
    yield "BEGIN:VEVENT"
    yield f"UID:{escaped(entry.uid)}"
    # Without METHOD it is when this was last changed (3.8.7.2), so that a feed of which nothing
    # has changed is the same text.
    yield f"DTSTAMP:{_utc(entry.changed_at)}"
    yield f"LAST-MODIFIED:{_utc(entry.changed_at)}"
    yield f"DTSTART:{_utc(entry.starts_at)}"
    yield f"SUMMARY:{escaped(entry.summary)}"
    yield f"DESCRIPTION:{escaped(entry.description)}"
    yield f"CATEGORIES:{escaped(entry.category)}"
    # A reminder takes nobody's time.
    yield "TRANSP:TRANSPARENT"
    yield "END:VEVENT"


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"
