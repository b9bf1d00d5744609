"""What is done to an event on its page: shown first, then done through the verbs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

import duly
from duly.models import LedgerEntry, Occurrence, ScheduledEvent
from tests.admin.pages import page_of, text_of
from tests.admin.rows import occurrence
from tests.builders import NOW, every_minute, stored_event


def _posted(client: Client, row: Any, verb: str, **more: str) -> str:
    """Do something, confirmed and with a reason; gives what the next page says."""
    said = {"verb": verb, "reason": "by request", "confirm": "1"} | more
    return text_of(client.post(page_of(row), said, follow=True))


def _notes(using: str) -> list[tuple[str, Any]]:
    rows = LedgerEntry.objects.using(using).filter(fact="noted").order_by("id")
    return [(row.actor, row.data) for row in rows]


def test_nothing_is_done_before_it_is_confirmed(admin: Client, using: str) -> None:
    event = stored_event(using)

    answer = admin.post(page_of(event), {"verb": "pause", "reason": "a fire"})

    assert answer.status_code == 200
    assert "yes, do it" in text_of(answer)
    assert "a fire" in answer.content.decode()
    assert ScheduledEvent.objects.using(using).get().status == "scheduled"


def test_nothing_is_done_without_a_reason(admin: Client, using: str) -> None:
    event = stored_event(using)

    answer = admin.post(page_of(event), {"verb": "pause", "reason": " ", "confirm": "1"})

    assert answer.status_code == 400
    assert "Say why" in text_of(answer)
    assert ScheduledEvent.objects.using(using).get().status == "scheduled"


def test_a_pause_and_a_resume_stand_in_the_ledger_with_who_and_why(
    admin: Client, using: str
) -> None:
    event = stored_event(using)

    assert "Pause: done" in _posted(admin, event, "pause")
    assert ScheduledEvent.objects.using(using).get().status == "paused"
    assert "Resume: done" in _posted(admin, event, "resume")

    assert ScheduledEvent.objects.using(using).get().status == "scheduled"
    assert _notes(using) == [
        ("admin:ann", {"what": "pause", "reason": "by request"}),
        ("admin:ann", {"what": "resume", "reason": "by request"}),
    ]
    page = text_of(admin.get(page_of(event)))
    assert "noted by admin:ann: pause (reason by request)" in page


def test_what_runs_already_is_answered_with_too_late(admin: Client, using: str) -> None:
    event = stored_event(using)
    occurrence(
        using,
        event,
        status="running",
        attempt=1,
        started_at=NOW,
        wake_at=NOW + timedelta(minutes=1),
    )

    shown = _posted(admin, event, "cancel")

    assert "Cancel: too late, running since 2026-06-01 12:00:00 UTC" in shown


def test_a_trigger_fires_now(admin: Client, using: str) -> None:
    event = stored_event(using, NOW + timedelta(days=1))

    assert "due now" in _posted(admin, event, "trigger")

    assert Occurrence.objects.using(using).get().due_at == NOW


def test_the_next_firing_is_skipped_or_one_that_is_chosen(admin: Client, using: str) -> None:
    event = stored_event(using, NOW, rule=every_minute())
    third = NOW + timedelta(minutes=2)

    assert "Skip a firing: done" in _posted(admin, event, "skip")
    assert "Skip a firing: done" in _posted(admin, event, "skip", due_at=third.isoformat())

    after = ScheduledEvent.objects.using(using).get()
    assert after.next_at == NOW + timedelta(minutes=1)
    assert after.exceptions == [third.isoformat()]
    # What is left out is not among the firings to come.
    assert "2026-06-01 12:02:00" not in text_of(admin.get(page_of(event))).split("The last 10")[0]


def test_a_backfill_says_how_many_before_it_runs_them(admin: Client, using: str) -> None:
    rule = duly.Every(timedelta(minutes=1), NOW - timedelta(minutes=10))
    event = stored_event(using, NOW, rule=rule)
    occurrence(using, event, due_at=NOW - timedelta(minutes=3))
    span = {"start": "2026-06-01T11:55", "end": "2026-06-01T12:05"}

    counted = admin.post(page_of(event), {"verb": "backfill", "reason": "x", **span})

    assert "Runs 4 past firings" in text_of(counted)
    assert "2026-06-01 11:55:00 UTC" in text_of(counted)
    assert Occurrence.objects.using(using).count() == 1
    assert "Backfill: done: 4 occurrences" in _posted(admin, event, "backfill", **span)


def test_a_reschedule_says_what_it_adds_and_removes(admin: Client, using: str) -> None:
    event = duly.schedule_event("report", duly.Cron("0 9 * * *", "Europe/Berlin"))
    rule = {"rule": "0 10 * * *", "tz": "Europe/Berlin"}

    planned = text_of(admin.post(page_of(event), {"verb": "reschedule", "reason": "x", **rule}))

    assert "Adds 2026-06-02 10:00" in planned
    assert "Removes 2026-06-02 09:00" in planned
    assert "Reschedule: done" in _posted(admin, event, "reschedule", **rule)
    assert ScheduledEvent.objects.using(using).get().rule["expr"] == "0 10 * * *"


@pytest.mark.parametrize(
    ("given", "name", "said"),
    [
        ({"rule": "61 9 * * *", "tz": "Europe/Berlin"}, "rule", "61"),
        ({"rule": "0 9 * * *", "tz": "Europe/Berln"}, "tz", "did you mean"),
        ({"rule": "0 9 * * *", "tz": ""}, "tz", "which zone"),
        ({"rule": "", "tz": ""}, "rule", "Type a rule"),
        ({"rule": "every 15m", "gap": "skip"}, "gap", "elapsed time"),
        ({"rule": "0 9 * * *", "tz": "UTC", "start": "soon"}, "start", "soon"),
        ({"rule": "0 9 * * *", "tz": "UTC", "max": "many"}, "max", "many"),
        ({"rule": '{"kind": "cron"}'}, "rule", "needs"),
        ({"rule": "30 2 29 3 *", "tz": "Europe/Berlin", "gap": "rejec"}, "gap", "rejec"),
    ],
)
def test_an_error_of_the_builder_stands_beside_its_field(
    admin: Client, using: str, given: dict[str, str], name: str, said: str
) -> None:
    event = stored_event(using)

    piece = admin.get("/admin/duly/scheduledevent/preview/", given).content.decode()
    page = admin.post(page_of(event), {"verb": "reschedule", "reason": "x", **given})

    assert f'data-duly-error-of="{name}"' in piece
    assert said in text_of(page)
    assert page.status_code == 400
    beside = page.content.decode().split(f'data-duly-error="{name}"')[1].split("</p>")[0]
    assert said in beside.replace("&#x27;", "'")


def test_a_preview_explains_a_rule_and_marks_a_change_of_the_clocks(
    admin: Client, clock: Any
) -> None:
    given = {"rule": "30 2 * * *", "tz": "Europe/Berlin", "start": "2027-03-27 00:00"}
    admin.cookies["duly_zone"] = "Asia/Kolkata"

    shown = text_of(admin.get("/admin/duly/scheduledevent/preview/", given))

    assert "At 02:30" in shown or "at 02:30" in shown
    assert "02:30 does not exist" in shown
    assert "Asia/Kolkata (you)" in shown


def test_a_zone_that_a_browser_made_up_is_not_believed(admin: Client, using: str) -> None:
    event = stored_event(using)
    admin.cookies["duly_zone"] = "<script>alert(1)</script>"

    page = admin.get(page_of(event)).content.decode()

    assert "<script>alert(1)" not in page


@pytest.mark.parametrize(
    "rule",
    [
        duly.At("2027-03-28 02:30", "Europe/Berlin", gap="earlier"),
        duly.Cron("30 9 * * 1-5", "Asia/Tokyo"),
        duly.Cron("30 9 * * 1-5", "Asia/Tokyo", jitter=timedelta(minutes=5)),
        duly.RRule("FREQ=WEEKLY;BYDAY=MO", "2026-06-01 09:00", "Europe/Berlin"),
        duly.Every(timedelta(minutes=15)),
    ],
    ids=["at", "cron", "jitter", "rrule", "every"],
)
def test_the_builder_begins_with_the_rule_that_there_is(rule: Any) -> None:
    from duly.admin import rule_form

    form = rule_form.read(rule_form.filled(rule.to_json()))

    assert form.errors == {}
    assert form.rule == rule


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"rule": "FREQ=WEEKLY", "tz": "Asia/Tokyo"}, "start"),
        ({"rule": "FREQ=WEEKLY", "tz": "Asia/Tokyo", "start": "soon"}, "start"),
        ({"rule": "FREQ=WEEKLY", "start": "2027-01-01 09:00"}, "tz"),
        ({"rule": "FREQ=WEEKLI", "tz": "Asia/Tokyo", "start": "2027-01-01 09:00"}, "rule"),
        ({"rule": "every 15m", "gap": "skip"}, "gap"),
    ],
    ids=["no start", "no civil time", "no zone", "no frequency", "no gap"],
)
def test_an_error_stands_beside_the_field_that_is_wrong(given: dict[str, str], field: str) -> None:
    from duly.admin import rule_form

    assert list(rule_form.read(given).errors) == [field]


def test_the_builder_lets_a_rule_be_replaced_by_one_of_another_kind() -> None:
    from duly.admin import rule_form

    fields = rule_form.filled(duly.At("2027-03-28 02:30", "Europe/Berlin").to_json())

    assert rule_form.read(fields | {"rule": "every 15m"}).errors == {}


def test_the_timeline_shows_retries_deaths_and_what_comes_for_all_events_of_an_entity(
    admin: Client, using: str
) -> None:
    about: dict[str, Any] = {"entity_type": "visit", "entity_id": "4"}
    first = stored_event(using, NOW + timedelta(days=1), **about)
    other = stored_event(using, NOW + timedelta(hours=5), event_type="follow_up", **about)
    occurrence(using, first, attempt=2, wake_at=NOW + timedelta(minutes=5))
    occurrence(using, other, status="dead", wake_at=None, finished_at=NOW, attempt=5, due_at=NOW)
    cancelled = stored_event(using, event_type="gone", **about)
    duly.cancel_event(cancelled.pk)

    page = admin.get(page_of(first))
    drawing = page.content.decode().split("<svg viewBox")[1].split("</svg>")[0]

    for kind in ("retry", "dead", "coming", "cancelled"):
        assert f"duly-mark-{kind}" in drawing, kind
    assert '<title id="timeline-title">' in drawing
    table = text_of(page).split("The same as a table")[1]
    assert "attempt 3 is due" in table
    assert "dead, attempt 5" in table


def test_the_timeline_shows_each_attempt_when_it_began_and_how_it_ended(
    admin: Client, using: str
) -> None:
    event = stored_event(using, NOW + timedelta(days=1))
    stored_event(using, NOW, entity_type=event.entity_type, entity_id=event.entity_id)
    row = occurrence(using, event, attempt=2, status="succeeded", wake_at=None, finished_at=NOW)
    facts: list[tuple[str, int, int, Any]] = [
        ("started", 1, 30, None),
        ("retried", 1, 29, {"error": "ConnectionError: refused\nTraceback"}),
        ("started", 2, 10, None),
        ("succeeded", 2, 9, None),
    ]
    for fact, attempt, ago, data in facts:
        LedgerEntry.objects.using(using).create(
            at=NOW - timedelta(seconds=ago),
            event_id=event.pk,
            occurrence_id=row.pk,
            fact=fact,
            attempt=attempt,
            data=data,
        )

    page = admin.get(page_of(event))
    table = text_of(page).split("The same as a table")[1]

    assert "2026-06-01 11:59:30" in table
    assert "attempt 1 failed: ConnectionError: refused" in table
    assert "2026-06-01 11:59:50" in table
    assert "attempt 2 succeeded" in table
    assert "Traceback" not in table
    assert "duly-mark-tried" in page.content.decode()


def test_one_firing_is_moved_to_a_civil_time_of_its_zone_and_the_others_stay(
    admin: Client, using: str
) -> None:
    rule = duly.Cron("0 9 * * *", "Europe/Berlin")
    event = duly.schedule_event("report", rule)
    second = NOW + timedelta(days=1, hours=19)
    given = {"due_at": second.isoformat(), "to": "2026-06-03T17:30"}

    shown = text_of(admin.post(page_of(event), {"verb": "move", "reason": "x", **given}))
    assert "Wed 2026-06-03 17:30:00 +02:00 Europe/Berlin instead; the others stay" in shown
    assert not Occurrence.objects.using(using).exists()
    assert "Move a firing: done" in _posted(admin, event, "move", **given)

    moved = Occurrence.objects.using(using).get()
    assert moved.due_at.isoformat() == "2026-06-03T15:30:00+00:00"
    after = ScheduledEvent.objects.using(using).get()
    assert after.exceptions == [second.isoformat()]
    assert after.rule["expr"] == "0 9 * * *"
    ((actor, data),) = _notes(using)
    assert actor == "admin:ann"
    assert (data["what"], data["reason"]) == ("move", "by request")
    assert data["to"] == "2026-06-03T15:30:00+00:00"


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("2027-03-28T02:30", "does not exist"),
        ("2020-01-01T09:00", "in the past"),
        ("soon", "must be a civil time"),
        ("", "must be a civil time"),
    ],
    ids=["gap", "past", "words", "nothing"],
)
def test_a_firing_is_not_moved_to_where_it_cannot_be(
    admin: Client, using: str, to: str, said: str
) -> None:
    event = duly.schedule_event("report", duly.Cron("0 9 * * *", "Europe/Berlin"))

    shown = text_of(admin.post(page_of(event), {"verb": "move", "reason": "x", "to": to}))
    after = _posted(admin, event, "move", to=to)

    assert said in shown
    assert said in after
    assert not Occurrence.objects.using(using).exists()
