"""Who may do what: each action needs its permission, and a token of the page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

import duly
from duly.models import LedgerEntry, Occurrence, ScheduledEvent
from duly.policy.states import OccurrenceStatus
from tests.admin.conftest import EVERYTHING, VIEWS, LogIn
from tests.admin.pages import bulk_of, list_of, page_of
from tests.admin.rows import dead_occurrence, waiting_occurrence
from tests.builders import stored_event

# The permission that each needs, beside those to view.
ACTIONS = [
    pytest.param("pause", "schedule_event", id="pause"),
    pytest.param("resume", "schedule_event", id="resume"),
    pytest.param("reschedule", "schedule_event", id="reschedule"),
    pytest.param("skip", "schedule_event", id="skip"),
    pytest.param("cancel", "schedule_event", id="cancel"),
    pytest.param("trigger", "fire_event", id="trigger"),
    pytest.param("backfill", "fire_event", id="backfill"),
    pytest.param("replay-occurrence", "replay_occurrence", id="replay-occurrence"),
    pytest.param("cancel-occurrence", "schedule_event", id="cancel-occurrence"),
    pytest.param("bulk-pause", "schedule_event", id="bulk-pause"),
    pytest.param("bulk-replay", "replay_occurrence", id="bulk-replay"),
    pytest.param("open-breaker", "override_breaker", id="open-breaker"),
    pytest.param("close-breaker", "override_breaker", id="close-breaker"),
    pytest.param("signal-saga", "schedule_event", id="signal-saga"),
    pytest.param("cancel-saga", "schedule_event", id="cancel-saga"),
    pytest.param("add-service", "add_service", id="add-service"),
]


def _trip(saga: duly.SagaBuilder) -> None:
    saga.wait_for("consent", deadline=timedelta(days=2))


def _request(action: str, using: str) -> tuple[str, dict[str, Any]]:
    """Give where an action is posted to, and what."""
    said = {"reason": "because", "confirm": "1"}
    match action:
        case "replay-occurrence":
            return page_of(dead_occurrence(using)), said | {"verb": "replay"}
        case "cancel-occurrence":
            return page_of(waiting_occurrence(using)), said | {"verb": "cancel"}
        case "bulk-pause":
            row = stored_event(using)
            posted = {"action": "pause", "ids": [str(row.pk)], "place": f"upto:{row.pk}"}
            return bulk_of("scheduledevent"), said | posted
        case "bulk-replay":
            row = dead_occurrence(using)
            posted = {"action": "replay", "ids": [str(row.pk)], "place": f"upto:{row.pk}"}
            return bulk_of("deadletter"), said | posted
        case "open-breaker" | "close-breaker":
            verb = action.partition("-")[0]
            return list_of("gate") + "steer/", said | {"verb": verb, "name": "service:crm"}
        case "signal-saga" | "cancel-saga":
            duly.saga("trip")(_trip)
            try:
                row = duly.start_saga("trip")
            finally:
                duly.definitions.forget("trip")
            return page_of(row), said | {"verb": action.partition("-")[0], "signal": "consent"}
        case "add-service":
            posted = {"name": "crm", "options": '{"target": "handler"}'}
            return list_of("service") + "add/", said | posted
    row = stored_event(using)
    if action == "resume":
        duly.pause_event(row.pk)
    more = {"rule": "every 15m", "start": "2026-05-01T00:00", "end": "2026-05-02T00:00"}
    if action == "reschedule":
        del more["start"], more["end"]
    return page_of(row), said | {"verb": action} | more


@pytest.mark.parametrize(("action", "permission"), ACTIONS)
def test_an_action_is_refused_without_its_permission_and_done_with_it(
    log_in: LogIn, using: str, action: str, permission: str
) -> None:
    address, posted = _request(action, using)
    before = LedgerEntry.objects.using(using).count()
    others = [name for name in EVERYTHING if name != permission]

    refused = log_in(*others, name="others").post(address, posted)

    assert refused.status_code == 403
    assert LedgerEntry.objects.using(using).count() == before
    allowed = log_in(*VIEWS, permission, name="allowed").post(address, posted)
    assert allowed.status_code == 302
    told = LedgerEntry.objects.using(using).filter(actor="admin:allowed")
    assert told.filter(fact="noted", data__reason="because").count() == 1


@pytest.mark.parametrize(("action", "permission"), ACTIONS)
def test_an_action_without_the_token_of_a_page_is_refused(
    log_in: LogIn, using: str, action: str, permission: str
) -> None:
    address, posted = _request(action, using)
    before = LedgerEntry.objects.using(using).count()

    answer = log_in(*EVERYTHING, enforce_csrf_checks=True).post(address, posted)

    assert answer.status_code == 403
    assert LedgerEntry.objects.using(using).count() == before


@pytest.mark.parametrize(
    ("permission", "names"),
    [
        ("view_scheduledevent", ["scheduledevent"]),
        ("view_occurrence", ["occurrence", "deadletter"]),
        ("view_ledgerentry", ["ledgerentry"]),
        ("view_gate", ["gate"]),
        ("view_saga", ["saga"]),
        ("view_service", ["service"]),
    ],
)
def test_a_list_is_seen_only_by_who_may_view_it(
    log_in: LogIn, permission: str, names: list[str]
) -> None:
    others = [name for name in EVERYTHING if name != permission and not name.endswith("service")]
    without, with_it = log_in(*others, name="other"), log_in(permission, name="viewer")

    for name in names:
        assert without.get(list_of(name)).status_code == 403
        assert with_it.get(list_of(name)).status_code == 200


def test_who_is_not_logged_in_is_sent_to_the_login(using: str) -> None:
    row = stored_event(using)

    for address in (list_of("scheduledevent"), page_of(row)):
        answer = Client().get(address)
        assert answer.status_code == 302
        assert "/login/" in answer["Location"]
    Client().post(page_of(row), {"verb": "cancel", "reason": "x", "confirm": "1"})
    assert ScheduledEvent.objects.using(using).get().status == "scheduled"


def test_what_one_may_not_do_is_not_offered(log_in: LogIn, using: str) -> None:
    event, dead = stored_event(using), dead_occurrence(using)
    viewer, admin = log_in(*VIEWS, name="viewer"), log_in(*EVERYTHING, name="admin")

    for address, offered in (
        (page_of(event), b'value="pause"'),
        (page_of(dead), b'value="replay"'),
        (list_of("scheduledevent"), b'name="action"'),
        (list_of("gate"), b'name="verb" value="open"'),
    ):
        assert offered not in viewer.get(address).content
        assert offered in admin.get(address).content


def test_a_superuser_has_no_form_for_what_engines_own(log_in: LogIn, using: str) -> None:
    from django.contrib.auth.models import User

    client = log_in()
    User.objects.update(is_superuser=True)
    event = stored_event(using)

    assert client.get(list_of("scheduledevent") + "add/").status_code == 404
    assert client.get(page_of(event).replace("change", "delete")).status_code == 404
    client.post(page_of(event), {"status": "finished", "service": "other"})
    assert ScheduledEvent.objects.using(using).get().service == "default"


def test_a_payload_is_hidden_from_who_may_not_view_it(
    log_in: LogIn, using: str, settings: Any
) -> None:
    event = stored_event(using, payload={"name": "Ada Lovelace", "room": 7})
    viewer = log_in(*VIEWS, name="viewer")

    hidden = viewer.get(page_of(event)).content.decode()
    shown = log_in(*VIEWS, "view_payload", name="may").get(page_of(event)).content.decode()

    assert "Lovelace" not in hidden
    assert "duly.view_payload" in hidden
    assert "Lovelace" in shown
    # What a hook lets through is for everybody.
    settings.DULY = {**settings.DULY, "REDACT": "tests.admin.rows.only_the_room"}
    partly = viewer.get(page_of(event)).content.decode()
    assert "Lovelace" not in partly
    assert "&quot;room&quot;: 7" in partly


def test_a_dead_letters_payload_is_hidden_too(log_in: LogIn, using: str) -> None:
    row = dead_occurrence(using, payload={"name": "Ada Lovelace"})

    assert b"Lovelace" not in log_in(*VIEWS, name="viewer").get(page_of(row)).content
    assert b"Lovelace" in log_in(*EVERYTHING, name="may").get(page_of(row)).content
    assert Occurrence.objects.using(using).get().status == OccurrenceStatus.DEAD
