"""The dashboard as people and browsers meet it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

import duly
from duly.dashboard.kept import kept
from duly.dashboard.views import PARTS, POLICY
from duly.store import engines
from duly.testing.manual_clock import ManualClock
from tests.builders import NOW, every_minute, stored_event
from tests.dashboard.conftest import LogIn
from tests.dashboard.html import Page
from tests.dashboard.state import HOUR, MINUTE, SECOND, engine, occurrence

STATIC = Path(duly.__file__).parent / "static" / "duly"
# How many statements each part makes, at most, however many rows there are.
MOST_STATEMENTS = {"numbers": 9, "machinery": 7, "hour": 2, "day": 2, "coming": 3, "calendar": 4}


@pytest.fixture
def busy(using: str, clock: ManualClock) -> str:
    """Give a database with a little of everything."""
    stored_event(using, NOW - 2 * MINUTE)
    stored_event(using, NOW + HOUR, rule=every_minute(), key="often")
    for number in range(3):
        occurrence(using, NOW - number * MINUTE, late=number * SECOND)
    occurrence(using, NOW - MINUTE, status="dead", error="ValueError: no")
    engine(using)
    return using


def test_it_shows_all_its_parts(viewer: Client, busy: str) -> None:
    answer = viewer.get("/duly/")
    page = Page(answer.content.decode())

    assert answer.status_code == 200
    assert not page.unclosed
    assert {f"part-{name}" for name in PARTS} <= set(page.ids())
    assert len(page.ids()) == len(set(page.ids()))


@pytest.mark.parametrize("path", ["/duly/", "/duly/rows/late/", "/duly/rows/dead/"])
def test_nothing_of_a_page_is_inline_or_foreign(viewer: Client, busy: str, path: str) -> None:
    answer = viewer.get(path)

    assert Page(answer.content.decode()).forbidden() == []
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("name", list(PARTS))
def test_each_part_can_be_read_alone(viewer: Client, busy: str, name: str) -> None:
    answer = viewer.get(f"/duly/part/{name}/")
    page = Page(answer.content.decode())

    assert answer.status_code == 200
    assert not page.unclosed
    assert page.forbidden() == []
    assert not any(tag in ("html", "body") for tag, _ in page.tags)


@pytest.mark.parametrize("name", list(PARTS))
def test_a_part_makes_few_statements_and_none_again_within_its_time(
    viewer: Client, busy: str, clock: ManualClock, name: str
) -> None:
    def statements() -> list[str]:
        with CaptureQueriesContext(connections[busy]) as found:
            assert viewer.get(f"/duly/part/{name}/").status_code == 200
        texts = [one["sql"] for one in found.captured_queries]
        return [text for text in texts if "duly_" in text and "django_" not in text]

    first, again = statements(), statements()
    clock.move((PARTS[name].poll_seconds + 1) * SECOND)
    later = statements()

    assert 0 < len(first) <= MOST_STATEMENTS[name]
    assert again == []
    assert 0 < len(later) <= MOST_STATEMENTS[name]


def test_more_rows_make_no_more_statements(viewer: Client, busy: str, clock: ManualClock) -> None:
    def statements() -> int:
        clock.move(100 * SECOND)
        with CaptureQueriesContext(connections[busy]) as found:
            viewer.get("/duly/")
        return len(found)

    statements()
    few = statements()
    for number in range(30):
        occurrence(busy, NOW + number * SECOND, status="dead" if number % 2 else "succeeded")
        stored_event(busy, NOW + number * MINUTE, rule=every_minute())

    assert statements() == few


def test_who_is_not_logged_in_is_led_to_log_in(using: str, clock: ManualClock) -> None:
    answer = Client().get("/duly/rows/due/?start=x")

    assert answer.status_code == 302
    assert answer.headers["Location"] == "/admin/login/?next=/duly/rows/due/%3Fstart%3Dx"


def test_a_part_tells_a_script_that_it_is_logged_out(using: str, clock: ManualClock) -> None:
    assert Client().get("/duly/part/numbers/").status_code == 401


@pytest.mark.parametrize("path", ["/duly/", "/duly/part/numbers/", "/duly/rows/due/"])
def test_it_is_for_staff_who_may_view_events(log_in: LogIn, path: str) -> None:
    assert log_in().get(path).status_code == 403


def test_it_is_not_for_others_who_may_view_events(log_in: LogIn) -> None:
    assert log_in("view_scheduledevent", is_staff=False).get("/duly/").status_code == 403


def test_it_takes_nothing_that_is_posted(viewer: Client) -> None:
    assert viewer.post("/duly/").status_code == 405


def test_a_part_that_is_not_there_is_not_found(viewer: Client) -> None:
    assert viewer.get("/duly/part/nothing/").status_code == 404
    assert viewer.get("/duly/rows/nothing/").status_code == 404


def test_without_the_admin_it_leads_to_the_projects_login(
    using: str, clock: ManualClock, settings: Any
) -> None:
    settings.ROOT_URLCONF = "tests.dashboard.urls_alone"
    settings.LOGIN_URL = "/enter/"

    assert Client().get("/any/place/").headers["Location"].startswith("/enter/?next=")


def test_without_the_admin_it_works(viewer: Client, busy: str, settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.dashboard.urls_alone"

    page = Page(viewer.get("/any/place/").content.decode())

    assert "/any/place/rows/due/" in page.addresses()
    assert not any(one.startswith("/admin") for one in page.addresses())


def test_a_database_that_does_not_answer_is_said_and_not_kept(
    viewer: Client, busy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(engines, "is_firing", _raises)
        answer = viewer.get("/duly/part/numbers/")
        page = viewer.get("/duly/")

    assert answer.status_code == 503
    assert "The database does not answer." in page.content.decode()
    assert viewer.get("/duly/part/numbers/").status_code == 200


def _raises(*_: Any) -> bool:
    raise OperationalError("gone")


def test_a_language_that_writes_numbers_otherwise_draws_the_same(
    viewer: Client, busy: str, settings: Any
) -> None:
    english = Page(viewer.get("/duly/part/hour/").content.decode())
    kept.forget()
    settings.LANGUAGE_CODE = "de"

    german = Page(viewer.get("/duly/part/hour/").content.decode())

    bars = [given for tag, given in english.tags if tag == "rect"]
    assert bars
    assert [given for tag, given in german.tags if tag == "rect"] == bars


def test_the_admin_leads_to_it(log_in: LogIn) -> None:
    page = Page(log_in("view_scheduledevent").get("/admin/duly/").content.decode())

    assert page.links["Dashboard"] == ["/duly/"]


def test_a_row_leads_to_its_page_in_the_admin(viewer: Client, using: str) -> None:
    event = stored_event(using, NOW)
    page = Page(viewer.get("/duly/rows/due/").content.decode())

    assert page.links[str(event.pk)] == [f"/admin/duly/scheduledevent/{event.pk}/change/"]


def test_its_files_load_nothing_from_elsewhere() -> None:
    for path in STATIC.glob("dashboard.*"):
        text = path.read_text()
        assert "http://" not in text, path
        assert "https://" not in text, path
        assert "@import" not in text, path
        assert "eval(" not in text, path


def test_the_script_keeps_still_in_a_hidden_tab() -> None:
    text = (STATIC / "dashboard.js").read_text()

    assert "document.hidden" in text
    assert "visibilitychange" in text
