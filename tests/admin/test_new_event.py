"""A new event from a form: checked field by field, shown, and scheduled once."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

import duly
from duly.models import LedgerEntry, ScheduledEvent
from tests.admin.conftest import VIEWS, LogIn
from tests.admin.pages import list_of, text_of

TYPED = {
    "type": "send_reminder",
    "service": "default",
    "entity": "appointment:42",
    "key": "visit-42",
    "user_timezone": "Asia/Tokyo",
    "payload": '{"room": 7}',
    "rule": "30 9 * * 1-5",
    "tz": "Europe/Berlin",
    "reason": "they asked for it",
}


@pytest.fixture
def address(using: str) -> str:
    return reverse("admin:duly_scheduledevent_new")


def test_a_new_event_is_shown_before_it_is_scheduled(
    admin: Client, using: str, address: str
) -> None:
    page = admin.post(address, TYPED)

    assert page.status_code == 200
    shown = text_of(page)
    assert "Fires Tue 2026-06-02 09:30:00 +02:00 Europe/Berlin" in shown
    assert "yes, do it" in shown
    assert not ScheduledEvent.objects.using(using).exists()


def test_a_confirmed_one_is_scheduled_as_it_was_typed_and_the_ledger_says_why(
    admin: Client, using: str, address: str
) -> None:
    page = admin.post(address, TYPED | {"confirm": "1"}, follow=True)

    event = ScheduledEvent.objects.using(using).get()
    assert "Scheduled." in text_of(page)
    assert page.redirect_chain[-1][0].endswith(f"{event.pk}/change/")
    assert (event.event_type, event.key, event.service) == ("send_reminder", "visit-42", "default")
    assert (event.entity_type, event.entity_id) == ("appointment", "42")
    assert event.user_timezone == "Asia/Tokyo"
    assert event.rule["expr"] == "30 9 * * 1-5"
    assert event.payload == {"room": 7}
    facts = LedgerEntry.objects.using(using).order_by("id").values_list("fact", "actor", "data")
    (scheduled, noted) = list(facts)
    assert scheduled[:2] == ("scheduled", "admin:ann")
    told = {"what": "schedule", "reason": "they asked for it"}
    assert noted == ("noted", "admin:ann", told)


def test_a_form_that_is_sent_twice_schedules_one_event(
    admin: Client, using: str, address: str
) -> None:
    shown = admin.post(address, TYPED | {"key": ""}).content.decode()
    found = re.search(r'name="key" value="(admin-[0-9a-f]+)"', shown)
    assert found
    confirmed = TYPED | {"key": found[1], "confirm": "1"}

    admin.post(address, confirmed)
    page = admin.post(address, confirmed, follow=True)

    assert "It was scheduled already" in text_of(page)
    assert ScheduledEvent.objects.using(using).count() == 1
    assert LedgerEntry.objects.using(using).filter(fact="noted").count() == 1


def test_a_key_of_another_event_is_refused_beside_its_field(
    admin: Client, using: str, address: str
) -> None:
    duly.schedule_event("other", duly.Cron("0 8 * * *", "UTC"), key="visit-42")

    page = admin.post(address, TYPED | {"confirm": "1"})

    assert page.status_code == 400
    assert _beside(page, "key")
    assert ScheduledEvent.objects.using(using).get().event_type == "other"


@pytest.mark.parametrize(
    ("given", "name", "said"),
    [
        ({"type": ""}, "type", "Say what is to happen"),
        ({"type": "no such name!"}, "type", "must be 1 to 100"),
        ({"service": "x" * 101}, "service", "1 to 100 characters"),
        ({"entity": "appointment"}, "entity", "type:id"),
        ({"key": "k" * 201}, "key", "1 to 200 characters"),
        ({"user_timezone": "Europe/Kiew"}, "user_timezone", "unknown time zone"),
        ({"resource_timezone": "Mars/Base"}, "resource_timezone", "unknown time zone"),
        ({"payload": "{room: 7}"}, "payload", "not JSON"),
        ({"on_tzdata_change": "keep_instant"}, "on_tzdata_change", "goes with At only"),
    ],
)
def test_an_error_stands_beside_its_field_and_nothing_is_lost(
    admin: Client, using: str, address: str, given: dict[str, str], name: str, said: str
) -> None:
    page = admin.post(address, TYPED | given | {"confirm": "1"})

    assert page.status_code == 400
    assert said in _beside(page, name)
    assert "they asked for it" in page.content.decode()
    assert not ScheduledEvent.objects.using(using).exists()


def test_two_fields_that_are_wrong_are_both_told(admin: Client, address: str) -> None:
    page = admin.post(address, TYPED | {"entity": "x", "payload": "{"})

    assert _beside(page, "entity")
    assert _beside(page, "payload")


@pytest.mark.parametrize(
    ("given", "name"),
    [({"rule": "61 9 * * *"}, "rule"), ({"tz": "Europe/Berln"}, "tz")],
)
def test_an_error_of_the_rule_stands_in_the_builder(
    admin: Client, using: str, address: str, given: dict[str, str], name: str
) -> None:
    page = admin.post(address, TYPED | given).content.decode()

    beside = page.split(f'data-duly-error="{name}"')[1].split("</p>")[0]
    assert len(beside) > len(' role="alert">')
    assert not ScheduledEvent.objects.using(using).exists()


def test_a_type_that_nobody_handles_is_told_at_its_field(
    admin: Client, settings: Any, address: str
) -> None:
    settings.DULY = {**settings.DULY, "STRICT": True}

    page = admin.post(address, TYPED | {"type": "nobody_does_this"})

    assert "nobody_does_this" in _beside(page, "type")


def test_nothing_is_scheduled_without_a_reason(admin: Client, using: str, address: str) -> None:
    page = admin.post(address, TYPED | {"confirm": "1", "reason": " "})

    assert page.status_code == 400
    assert "Say why" in text_of(page)
    assert not ScheduledEvent.objects.using(using).exists()


def test_what_was_typed_can_be_changed_once_it_was_shown(
    admin: Client, using: str, address: str
) -> None:
    page = admin.post(address, TYPED | {"confirm": "1", "edit": "1"})

    assert page.status_code == 200
    assert "30 9 * * 1-5" in page.content.decode()
    assert not ScheduledEvent.objects.using(using).exists()


def test_it_needs_the_permission_to_schedule(log_in: LogIn, using: str, address: str) -> None:
    viewer = log_in(*VIEWS, name="viewer")
    planner = log_in("view_scheduledevent", "schedule_event", name="planner")

    assert viewer.get(address).status_code == 403
    assert viewer.post(address, TYPED | {"confirm": "1"}).status_code == 403
    assert not ScheduledEvent.objects.using(using).exists()
    assert address not in viewer.get(list_of("scheduledevent")).content.decode()
    assert address in planner.get(list_of("scheduledevent")).content.decode()
    assert planner.get(address).status_code == 200


def test_the_form_begins_with_what_its_address_says(admin: Client, address: str) -> None:
    page = admin.get(address, {"entity": "appointment:42", "type": "send_reminder"})

    assert 'value="appointment:42"' in page.content.decode()
    assert 'value="send_reminder"' in page.content.decode()


def _beside(page: Any, name: str) -> str:
    parts = page.content.decode().split(f'id="error-{name}"')
    return parts[1].split("</p>")[0] if len(parts) > 1 else ""
