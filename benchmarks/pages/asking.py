"""Which pages there are, and how long each takes."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import NoReverseMatch, reverse

from duly.dashboard.kept import kept
from duly.dashboard.views import PARTS
from duly.models import Occurrence, ScheduledEvent

# What differs from run to run is not shown: ids and moments.
_BY_CHANCE = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\dT\d\d:\d\d")


@dataclass(slots=True)
class Timed:
    """One page, asked for again and again."""

    name: str
    url: str
    status: int = 0
    statements: int = 0
    seconds: list[float] = field(default_factory=list)

    @property
    def median_ms(self) -> float:
        """The median."""
        return 1000 * statistics.median(self.seconds)

    @property
    def worst_ms(self) -> float:
        """The longest."""
        return 1000 * max(self.seconds)


def measure(repeats: int) -> list[Timed]:
    """Ask for each page so many times, with nothing kept from before but where it says so."""
    client = Client(HTTP_HOST="localhost")
    client.force_login(User.objects.create_superuser("bench"))
    found = [_timed(client, name, url, repeats, kept.forget) for name, url in pages()]
    url = reverse("duly:dashboard")
    found.append(_timed(client, "dashboard, seen by another a moment ago", url, repeats))
    return found


def _timed(
    client: Client,
    name: str,
    url: str,
    repeats: int,
    before: Callable[[], object] = lambda: None,
) -> Timed:
    one = Timed(name, url)
    before()
    # The first compiles templates, and counts.
    with CaptureQueriesContext(connection) as statements:
        one.status = client.get(url).status_code
    one.statements = len(statements)
    for _ in range(repeats):
        before()
        began = time.perf_counter()
        client.get(url)
        one.seconds.append(time.perf_counter() - began)
    return one


def pages() -> Iterator[tuple[str, str]]:
    """Give the name and the address of every page."""
    yield "dashboard", reverse("duly:dashboard")
    for name in PARTS:
        yield f"dashboard, {name}", reverse("duly:part", args=[name])
    for kind in ("due", "late", "running", "dead"):
        yield f"rows, {kind}", reverse("duly:rows", args=[kind])
    yield "rows, pending", reverse("duly:rows", args=["pending"]) + "?service=crm"
    event = ScheduledEvent.objects.order_by("-id")[:1].get()
    occurrence = Occurrence.objects.order_by("-id")[:1].get()
    narrowed = _narrowed(event, occurrence)
    for model in admin.site._registry:
        if model._meta.app_label == "duly":
            name = str(model._meta.model_name)
            yield from _of_admin(name, narrowed.get(name, ()))
    for page, row in (("scheduledevent", event), ("occurrence", occurrence)):
        yield from _named(f"admin, one {page}", f"admin:duly_{page}_change", row.pk)


def _of_admin(model: str, narrowed: Iterable[str]) -> Iterator[tuple[str, str]]:
    for url in (url for _, url in _named(model, f"admin:duly_{model}_changelist")):
        yield f"admin, {model}", url
        for query in narrowed:
            yield f"admin, {model}?{_BY_CHANCE.sub('…', query)}", f"{url}?{query}"


def _narrowed(event: ScheduledEvent, occurrence: Occurrence) -> dict[str, list[str]]:
    """Give by what each list is narrowed: what is there, what is rare, and what is not there."""
    now = datetime.now(UTC)
    past, before, soon, later = (
        f"{now + timedelta(hours=hours):%Y-%m-%dT%H:%M}" for hours in (-72, -48, 24, 48)
    )
    return {
        "scheduledevent": [
            "entity=appointment:42",
            "q=key-4242",
            "status=scheduled",
            "status=paused",
            "status=finished",
            "zone=Africa/Cairo",
            "type=type_3",
            "service=crm",
            "due=day",
            "due=month&service=crm",
            "due=month&zone=nowhere",
            "type=none&service=crm",
            "zone=nowhere",
            "q=nothing",
            "q=appointment:42",
            f"q={event.pk}",
            f"start={soon}&end={later}&type=type_3",
        ],
        "occurrence": [
            "status=running",
            "status=dead",
            "status=skipped",
            "entity=appointment:42",
            "born=hour",
            "type=type_3",
            "zone=Africa/Cairo",
            "zone=nowhere",
            "status=pending",
            "status=succeeded",
            "status=dead&service=crm&type=none",
            "service=crm",
            "born=month&type=none",
            "q=key-4242",
            "q=appointment:42",
            f"q={occurrence.pk}",
            f"event={occurrence.event_id}",
            f"start={past}&end={before}&service=crm",
        ],
        "deadletter": [
            "service=crm",
            "type=type_3",
            "zone=nowhere",
            "error=ConnectionError: answer 7",
            "entity=appointment:42",
            "q=nothing",
            f"start={past}&end={before}",
        ],
        "ledgerentry": [
            f"event={occurrence.event_id}",
            f"occurrence={occurrence.pk}",
            "fact=started",
            "fact=none",
        ],
    }


def _named(name: str, view: str, *arguments: object) -> Iterator[tuple[str, str]]:
    try:
        yield name, reverse(view, args=[str(one) for one in arguments])
    except NoReverseMatch:
        return
