"""What stands in the cells of tables: instants, spans, statuses and links; all of it escaped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from duly.civil.resolve import offset_text
from duly.civil.zones import get_zone
from duly.cli.moments import span_text
from duly.errors import UnknownZone

ZONE_COOKIE = "duly_zone"
"""Where the viewer's browser says in which zone it is."""
LONGEST_TEXT = 120


def page_url(kind: type[Model] | str, pk: object) -> str:
    """Give the address of the page of a row."""
    name = kind if isinstance(kind, str) else kind._meta.model_name
    return reverse(f"admin:duly_{name}_change", args=[pk])


def list_url(kind: type[Model] | str, query: str = "") -> str:
    """Give the address of a list, narrowed by a query."""
    name = kind if isinstance(kind, str) else kind._meta.model_name
    address = reverse(f"admin:duly_{name}_changelist")
    return f"{address}?{query}" if query else address


def link(address: str, text: object) -> SafeString:
    """Write a link."""
    return format_html('<a href="{}">{}</a>', address, text)


def row_link(kind: type[Model] | str, pk: object, text: object = "") -> SafeString:
    """Write a link to the page of a row."""
    return link(page_url(kind, pk), text or pk)


def instant(at: datetime | None, now: datetime | None = None) -> SafeString | str:
    """Write an instant in UTC, and how far it is from now."""
    if at is None:
        return "–"
    local = at.astimezone(UTC)
    written = f"{local:%Y-%m-%d %H:%M:%S}"
    far = f" ({span_text(at - now)})" if now is not None else ""
    return format_html('<time datetime="{}">{} UTC</time>{}', local.isoformat(), written, far)


def status(value: str) -> SafeString:
    """Write a status, as a word that has a colour as well."""
    # Of a closed set in the database, so that it is fit for the name of a class.
    name = value if value.replace("_", "").isalpha() else "unknown"
    return format_html('<span class="duly-status duly-{}">{}</span>', name, value.replace("_", " "))


def entity(kind: str, id_: str) -> str:
    """Write an entity; a dash where there is none."""
    return f"{kind}:{id_}" if id_ else "–"


def shortened(text: str) -> str:
    """Give the first line of a text, cut to what a cell holds."""
    line = text.partition("\n")[0]
    return line if len(line) <= LONGEST_TEXT else f"{line[: LONGEST_TEXT - 1]}…"


def short_id(id_: UUID) -> str:
    """Give the part of an id by which a person tells rows apart: the random end."""
    return f"…{id_.hex[-8:]}"


def span(size: timedelta | None) -> str:
    """Write how long something took."""
    if size is None:
        return "–"
    seconds = size.total_seconds()
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:,.1f} s"


def local_text(at: datetime, zone: str) -> str:
    """Write an instant as the clocks of a zone read it. Raises UnknownZone."""
    local = at.astimezone(get_zone(zone).info)
    offset = local.utcoffset() or timedelta(0)
    return f"{_WEEKDAYS[local.weekday()]} {local:%Y-%m-%d %H:%M:%S} {offset_text(offset)}"


def viewer_zone(request: HttpRequest) -> str:
    """Say in which zone the viewer is: as the browser says, or else as Django has it."""
    for name in (request.COOKIES.get(ZONE_COOKIE, ""), timezone.get_current_timezone_name()):
        try:
            return get_zone(name).name
        except UnknownZone:
            continue
    return "UTC"


def in_zones(at: datetime, zones: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """Write an instant in zones, each with whose zone it is; a zone that is gone says so."""
    found = []
    for whose, zone in zones:
        try:
            text = local_text(at, zone)
        except UnknownZone as error:
            text = str(error)
        found.append({"whose": whose, "zone": zone, "text": text})
    return found


# Not strftime's: those follow the locale of the process.
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
