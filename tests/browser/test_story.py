"""What a person does in a browser: find, understand, change, and see what comes of it."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Clinic, Open, log_in

EVENTS = "/admin/duly/scheduledevent/"
DASHBOARD = "/duly/"


def row_of(page: Page, text: str) -> Locator:
    """Give the link of the row of a list that has a text."""
    return page.locator("#result_list tr", has_text=text).get_by_role("link").first


def reschedule(page: Page, rule: str, zone: str = "", start: str = "") -> None:
    """Type a rule into the schedule builder."""
    page.locator("summary", has_text="Reschedule").click()
    builder = page.locator(".duly-builder")
    builder.get_by_label("Begins").fill(start)
    builder.get_by_label("Zone").fill(zone)
    builder.get_by_label("Rule").fill(rule)


def test_somebody_logs_in_and_finds_an_event_by_its_entity(open_alone: Open) -> None:
    with open_alone() as (page, _):
        page.goto(EVENTS)
        log_in(page)
        page.get_by_label("Entity").fill("patient:4711")
        page.get_by_role("button", name="Show").click()

        expect(page).to_have_url(re.compile("entity=patient%3A4711"))
        rows = page.locator("#result_list tbody tr")
        expect(rows.last).to_contain_text("patient:4711")
        expect(rows.filter(has_not_text="patient:4711")).to_have_count(0)
        row_of(page, "visit:4711").click()
        expect(page.locator("#content h1")).to_contain_text("visit:4711")


def test_a_rule_is_explained_while_it_is_typed_with_the_night_on_which_clocks_change(
    clinic: Clinic, open_page: Open
) -> None:
    with open_page() as (page, _):
        page.goto(clinic.page_of("scheduledevent", "event"))
        reschedule(page, "30 2 * * *", "Europe/Berlin", "2031-03-29 00:00")

        marked = page.locator("[data-duly-shown] .duly-marked")
        expect(marked.last).to_contain_text("2031-03-30 03:30:00 +02:00")
        expect(marked.last).to_contain_text("02:30 does not exist")

        page.get_by_label("Zone", exact=True).fill("Europe/Berlyn")
        expect(page.locator("#error-tz")).to_contain_text("Europe/Berlin")


def test_an_event_is_rescheduled_and_its_firing_seen_live(clinic: Clinic, open_page: Open) -> None:
    with open_page() as (page, _):
        page.goto(DASHBOARD)
        running = page.locator("#tile-running .value")
        expect(running).to_have_text("0")
        event = page.context.new_page()
        event.goto(f"{EVENTS}?q=operation-1")
        row_of(event, "operation-1").click()
        reschedule(event, "every 1s")
        event.get_by_label("At most").fill("1")
        event.locator("#reschedule-reason").fill("the theatre is free")
        event.get_by_role("button", name="Reschedule…").click()
        event.get_by_role("button", name="yes, do it").click()
        expect(event.locator(".messagelist")).to_contain_text("done")

        expect(running).to_have_text("1")
        clinic.create("let_go")
        event.reload()
        expect(event.get_by_role("link", name="succeeded").first).to_be_visible()
        expect(event.locator(".duly-ledger")).to_contain_text("the theatre is free")


def test_a_dead_letter_is_replayed_from_the_dashboards_number(
    clinic: Clinic, open_page: Open
) -> None:
    with open_page() as (page, _):
        page.goto(DASHBOARD)
        expect(page.locator("#tile-dead .value")).to_have_text("2")
        clinic.create("mended")
        page.locator("#tile-dead").click()
        page.locator(f"a[href*='{clinic.ids['dead'][0]}']").click()
        page.get_by_label("Reason").fill("the printer was mended")
        page.get_by_role("button", name="Replay").click()
        expect(page.locator(".messagelist")).to_be_visible()

        page.goto(DASHBOARD)
        expect(page.locator("#tile-dead .value")).to_have_text("1")


def test_a_breaker_is_opened_and_closed_by_hand(open_page: Open) -> None:
    with open_page() as (page, _):
        page.goto("/admin/duly/gate/")
        page.locator("summary", has_text="by its name").click()
        page.get_by_label("Breaker", exact=True).first.fill("type:export")
        page.get_by_label("Reason").fill("the printer is on fire")
        page.get_by_role("button", name="Hold it open").click()
        page.get_by_role("link", name="type:export").click()
        expect(page.locator(".duly-status")).to_have_text("open")

        page.get_by_label("Reason").fill("it is out")
        page.get_by_role("button", name="Close it").click()
        expect(page.locator(".duly-status")).to_have_text(re.compile("closed|half open"))
        expect(page.locator(".duly-ledger")).to_contain_text("it is out")
