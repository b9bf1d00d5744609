"""What the pages of the admin show."""

from __future__ import annotations

import re

from django.test import Client

import duly
from tests.admin.pages import list_of, page_of, text_of


def test_every_list_can_be_seen_while_there_is_nothing(admin: Client) -> None:
    for name in (
        "scheduledevent",
        "occurrence",
        "deadletter",
        "service",
        "gate",
        "saga",
        "ledgerentry",
    ):
        answer = admin.get(list_of(name))

        assert answer.status_code == 200, name


def test_the_index_names_every_list(admin: Client) -> None:
    answer = admin.get("/admin/duly/")
    shown = text_of(answer)

    for name in ("Scheduled events", "Occurrences", "Dead letters", "Services", "Gates", "Sagas"):
        assert name in shown
    # Of what engines own there is no form.
    added = [
        link for link in re.findall(r'href="([^"]+)"', answer.content.decode()) if "/add/" in link
    ]
    assert set(added) == {"/admin/duly/service/add/"}


def test_the_page_of_an_event_explains_it_and_marks_a_gap(admin: Client, using: str) -> None:
    event = duly.schedule_event(
        "reminder",
        duly.Cron("30 2 * * *", "Europe/Berlin", start="2027-03-27 00:00"),
        entity=("visit", 4),
        user_timezone="Asia/Tokyo",
        resource_timezone="America/New_York",
    )

    shown = text_of(admin.get(page_of(event)))

    assert "Europe/Berlin (event)" in shown
    assert "Asia/Tokyo (user)" in shown
    assert "America/New_York (resource)" in shown
    assert "02:30 does not exist" in shown
    assert "Timeline of visit:4" in shown
