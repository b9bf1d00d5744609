"""Calls that no operation answers are told to the ledger too, and name no more than a few."""

from __future__ import annotations

from duly.access.calls import call_log
from duly.store.calls import told
from tests.rest.conftest import Api


def calls_in(using: str) -> set[tuple[str, str, int, int]]:
    call_log.flush()
    rows = ((entry.actor, entry.data or {}) for entry in told(using, None))
    return {(actor, data["operation"], data["status"], data["count"]) for actor, data in rows}


def test_a_method_that_does_not_go_is_told(api: Api, using: str) -> None:
    assert api("PUT", "events/schedule").status_code == 405
    assert api("BREW", "events/schedule").status_code == 405
    assert api("STEEP", "events/schedule").status_code == 405

    assert calls_in(using) == {
        ("unknown", "PUT /api/events/schedule", 405, 1),
        ("unknown", "? /api/events/schedule", 405, 2),
    }


def test_unknown_addresses_are_told_as_one(api: Api, using: str) -> None:
    for path in ("nothing", "nothing/at/all", "events/1/2/3/4", "\N{SNOWMAN}"):
        assert api("GET", path).status_code == 404

    assert calls_in(using) == {("unknown", "GET /api/… (no such address)", 404, 4)}
