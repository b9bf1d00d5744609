"""What others have written is text on every page, and never markup."""

from __future__ import annotations

import re

from django.test import Client

import duly
from duly.models import Gate, LedgerEntry, Saga
from tests.admin.pages import list_of, page_of
from tests.admin.rows import dead_occurrence
from tests.builders import NOW, stored_event

EVIL = "<script>alert('x')</script><img src=x onerror=alert(1)>"
LISTS = ("scheduledevent", "occurrence", "deadletter", "gate", "saga", "ledgerentry")


def test_stored_markup_is_escaped_on_every_page(admin: Client, using: str) -> None:
    event = stored_event(
        using,
        event_type=EVIL,
        key=EVIL,
        entity_type=EVIL,
        entity_id=EVIL,
        payload={EVIL: EVIL},
        status="paused",
        reason=EVIL,
        next_at=None,
        next_wall_time=None,
    )
    dead = dead_occurrence(using, event, error=f"{EVIL}\nmore", reason=EVIL, payload=EVIL)
    LedgerEntry.objects.using(using).create(
        at=NOW,
        event_id=event.pk,
        occurrence_id=dead.pk,
        fact="died",
        actor=EVIL,
        data={"error": EVIL},
    )
    gate = Gate.objects.using(using).create(name=f"type:{EVIL}", updated_at=NOW)
    saga = Saga.objects.using(using).create(
        id=event.pk,
        name=EVIL,
        key=EVIL,
        version="1",
        definition={},
        context={EVIL: EVIL},
        reason=EVIL,
        created_at=NOW,
        updated_at=NOW,
    )
    entry = LedgerEntry.objects.using(using).get()

    from urllib.parse import quote

    from django.contrib.admin.utils import quote as admin_quote

    addresses = [list_of(name) for name in LISTS]
    addresses += [
        list_of("scheduledevent", f"q={quote(EVIL)}&start={quote(EVIL)}&status={quote(EVIL)}")
    ]
    addresses += [page_of(row) for row in (event, dead, saga, entry)]
    addresses += [page_of(dead, "deadletter")]
    addresses += [f"{list_of('gate')}{quote(admin_quote(gate.pk))}/change/"]
    for address in addresses:
        page = admin.get(address)
        assert page.status_code == 200, address
        text = page.content.decode()
        assert "<script>alert" not in text, address
        assert "<img src=x" not in text, address


def test_no_page_needs_a_script_or_a_style_in_its_markup(admin: Client, using: str) -> None:
    """So that the strictest Content-Security-Policy lets all of it pass."""
    event = duly.schedule_event("report", duly.Cron("0 9 * * *", "Europe/Berlin"))
    dead = dead_occurrence(using)
    addresses = [list_of(name) for name in (*LISTS, "service")]
    addresses += [page_of(event), page_of(dead), list_of("service") + "add/"]

    for address in addresses:
        text = admin.get(address).content.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)", text), address
        assert not re.search(r"<[^>]+\son[a-z]+\s*=", text), address
        assert not re.search(r"<[^>]+\sstyle\s*=", text), address
        assert "<style" not in text, address
        assert not re.search(r'(?:src|href|action)="(?:https?:)?//', text), address
