"""The demo's input covers what it says it covers."""

from __future__ import annotations

from datetime import timedelta

from duly.civil import zones
from duly.civil.instants import EARLIEST
from duly.civil.resolve import Due, resolve
from duly.demo import appointments
from duly.demo.appointments import Appointment
from duly.demo.story import EXAMPLES

ROWS = list(appointments.read())


def reminder(row: Appointment) -> Due:
    due = row.reminder_rule.next(EARLIEST)
    assert due is not None
    return due


def test_there_are_a_few_hundred_each_with_its_own_id() -> None:
    assert 300 <= len(ROWS) <= 400
    assert len({row.appointment_id for row in ROWS}) == len(ROWS)


def test_every_continent_and_a_hundred_zones_are_there() -> None:
    used = {row.resource_timezone for row in ROWS} | {row.patient_timezone for row in ROWS}

    assert len(used) > 100
    assert {name.split("/")[0] for name in used} >= {
        *("Africa", "America", "Antarctica", "Asia", "Atlantic"),
        *("Australia", "Europe", "Indian", "Pacific"),
    }


def test_every_appointment_begins_at_a_time_that_exists_once() -> None:
    for row in ROWS:
        (due,) = resolve(row.moment.local, row.resource_timezone)
        assert due.resolution == "plain", row


def test_what_the_notes_say_of_the_clocks_is_so() -> None:
    for row in ROWS:
        word = row.note.partition(":")[0]
        if word in ("gap", "overlap"):
            assert reminder(row).resolution == word, row
        elif word == "half-hour":
            assert reminder(row).zone == "Australia/Lord_Howe"
            assert reminder(row).resolution != "plain"
        else:
            assert reminder(row).resolution == "plain", row


def test_gaps_overlaps_and_the_date_line_are_there() -> None:
    found = [reminder(row).resolution for row in ROWS]

    assert found.count("gap") >= 8
    assert found.count("overlap") >= 6
    apia = [row for row in ROWS if row.resource_timezone == "Pacific/Apia" and row.note]
    day = timedelta(hours=24)
    changes = zones.get_zone("Pacific/Apia").transitions(EARLIEST, apia[0].reminder_at)
    assert any(change.change == day for change in changes)


def test_every_example_that_the_demo_explains_is_there() -> None:
    there = {(reminder(row).resolution, reminder(row).zone) for row in ROWS}

    assert set(EXAMPLES) <= there


def test_the_follow_up_is_due_after_the_start() -> None:
    for row in ROWS:
        after = row.follow_up().rule.next(EARLIEST)
        assert after is not None
        assert after.at - row.moment.moment == timedelta(minutes=int(row.follow_up_minutes))
