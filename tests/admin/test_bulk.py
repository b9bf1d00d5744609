"""One action for many rows: counted first, then done with a reason, in steps."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from duly.admin import bulk
from duly.ids import new_id
from duly.models import LedgerEntry, Occurrence, ScheduledEvent
from tests.admin.pages import bulk_of, text_of
from tests.admin.rows import dead_occurrence, waiting_occurrence
from tests.builders import NOW, stored_event


def _hidden(answer: Any) -> dict[str, Any]:
    """Give what the form on a page would post."""
    import re

    form = answer.content.decode().split('class="duly-form"')[1].split("</form>")[0]
    found: dict[str, Any] = {}
    for tag in re.findall(r"<input[^>]*>", form):
        name = re.search(r'name="([^"]*)"', tag)
        value = re.search(r'value="([^"]*)"', tag)
        if name and name[1] != "csrfmiddlewaretoken":
            found.setdefault(name[1], []).append(value[1] if value else "")
    return found


def test_a_selection_is_counted_before_it_is_changed(admin: Client, using: str) -> None:
    events = [stored_event(using, key=f"k{number}") for number in range(3)]
    stored_event(using, key="other")
    ids = [str(event.pk) for event in events]

    counted = admin.post(bulk_of("scheduledevent"), {"action": "pause", "ids": ids})

    assert "3 rows would be changed, of 3 selected" in text_of(counted)
    assert not ScheduledEvent.objects.using(using).filter(status="paused").exists()
    done = admin.post(
        bulk_of("scheduledevent"), _hidden(counted) | {"reason": "a fire"}, follow=True
    )
    assert "Pause: 3 done" in text_of(done)
    paused = ScheduledEvent.objects.using(using).filter(status="paused", reason="a fire")
    assert set(paused.values_list("key", flat=True)) == {"k0", "k1", "k2"}
    told = LedgerEntry.objects.using(using).filter(fact="noted", actor="admin:ann")
    assert told.filter(data__reason="a fire").count() == 3


def test_all_that_match_are_changed_in_steps_and_nothing_that_came_later(
    admin: Client, using: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "STEP", 2)
    for number in range(5):
        stored_event(using, key=f"k{number}", event_type="report")
    stored_event(using, key="other")

    asked = {"action": "cancel", "all": "1", "type": "report"}
    answer = admin.post(bulk_of("scheduledevent"), asked)
    assert "5 rows would be changed" in text_of(answer)
    late = new_id(NOW + timedelta(seconds=1))
    stored_event(using, key="late", event_type="report", id=late)
    posted = _hidden(answer) | {"reason": "closed for good"}
    steps = 0
    while True:
        answer = admin.post(bulk_of("scheduledevent"), posted, follow=True)
        steps += 1
        if "Go on" not in text_of(answer):
            break
        posted = _hidden(answer)

    assert "Cancel: 5 done" in text_of(answer)
    assert steps == 3
    cancelled = ScheduledEvent.objects.using(using).filter(status="cancelled")
    assert set(cancelled.values_list("key", flat=True)) == {f"k{number}" for number in range(5)}


def test_the_dead_of_one_error_are_replayed_together(admin: Client, using: str) -> None:
    event = stored_event(using)
    for number in range(3):
        dead_occurrence(using, event, due_at=NOW - timedelta(minutes=number))
    dead_occurrence(using, event, error="KeyError: x", due_at=NOW - timedelta(hours=1))

    asked = {"action": "replay", "all": "1", "error": "ValueError"}
    counted = admin.post(bulk_of("deadletter"), asked)
    assert "3 rows would be changed" in text_of(counted)
    done = admin.post(bulk_of("deadletter"), _hidden(counted) | {"reason": "mended"}, follow=True)

    assert "Replay the dead: 3 done" in text_of(done)
    assert Occurrence.objects.using(using).filter(status="pending").count() == 3
    assert Occurrence.objects.using(using).filter(status="dead").count() == 1
    facts = LedgerEntry.objects.using(using).filter(actor="admin:ann")
    assert facts.filter(fact="replayed").count() == facts.filter(fact="noted").count() == 3


def test_waiting_occurrences_are_cancelled_and_running_ones_not_counted(
    admin: Client, using: str
) -> None:
    event = stored_event(using, NOW + timedelta(days=1))
    waiting = waiting_occurrence(using, event)
    running = waiting_occurrence(
        using, event, due_at=NOW - timedelta(hours=1), status="running", attempt=1, started_at=NOW
    )
    ids = [str(waiting.pk), str(running.pk)]

    counted = admin.post(bulk_of("occurrence"), {"action": "cancel", "ids": ids})
    assert "1 row would be changed" in text_of(counted)
    admin.post(bulk_of("occurrence"), _hidden(counted) | {"reason": "no"})

    statuses = dict(Occurrence.objects.using(using).values_list("pk", "status"))
    assert statuses == {waiting.pk: "cancelled", running.pk: "running"}


@pytest.mark.parametrize(
    ("posted", "said"),
    [
        ({"action": "pause"}, "select rows"),
        ({"action": "explode", "all": "1"}, "choose an action"),
        ({"action": "pause", "ids": ["x"]}, "at most"),
        ({"action": "pause", "all": "1", "status": "odd"}, "must be one of"),
    ],
)
def test_what_cannot_be_is_refused(
    admin: Client, using: str, posted: dict[str, Any], said: str
) -> None:
    stored_event(using)

    shown = text_of(admin.post(bulk_of("scheduledevent"), posted, follow=True))
    assert said in shown.lower()
    assert ScheduledEvent.objects.using(using).get().status == "scheduled"


def test_an_action_cannot_be_asked_for_by_a_link(admin: Client) -> None:
    assert admin.get(bulk_of("scheduledevent"), {"action": "pause", "all": "1"}).status_code == 405
