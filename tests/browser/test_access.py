"""Whoever cannot see well, or uses no mouse, or holds a phone, can use each page."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Clinic, Open
from tests.browser.pages import pages_of
from tests.browser.watching import PHONE

AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text()
# What a scheme of colours can break; all else is the same in both.
COLOURS = ["color-contrast", "link-in-text-block"]
GRAVE = {"serious", "critical"}
EVENTS = "/admin/duly/scheduledevent/"
ACROSS = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  return [...document.querySelectorAll("body *")]
    .filter((one) => one.getBoundingClientRect().right > width + 1)
    .filter((one) => !one.parentElement.closest(".duly-scroll, .scroll, svg, #nav-sidebar"))
    .map((one) => one.outerHTML.slice(0, 120)).slice(0, 5);
}"""


def violations(page: Page, rules: list[str] | None = None) -> list[str]:
    """Ask axe-core; through the debugger, since the policy lets no page run it."""
    page.evaluate(AXE)
    # Without its own copies of the style sheets, which the policy forbids as well.
    asked = {"resultTypes": ["violations"], "preload": False} | (
        {"runOnly": rules} if rules else {}
    )
    run = "async (asked) => (await axe.run(document, asked)).violations"
    found: list[Any] = page.evaluate(run, asked)
    return [
        f"{page.url}: {one['id']}: {one['help']}: {node['html'][:200]} {node['failureSummary']}"
        for one in found
        if one["impact"] in GRAVE
        for node in one["nodes"][:3]
    ]


def open_all(page: Page) -> None:
    """Show what is folded."""
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")


@pytest.mark.parametrize(
    ("scheme", "rules"), [("light", None), ("dark", COLOURS)], ids=["light", "dark"]
)
def test_axe_finds_nothing_serious_on_any_page(
    clinic: Clinic, open_page: Open, scheme: Literal["light", "dark"], rules: list[str] | None
) -> None:
    with open_page(color_scheme=scheme) as (page, _):
        found = []
        for path in pages_of(clinic).values():
            page.goto(path)
            open_all(page)
            found += violations(page, rules)
        page.context.clear_cookies()
        page.goto("/admin/login/")
        found += violations(page, rules)

    assert found == []


def test_axe_finds_nothing_serious_on_the_page_of_the_api(open_page: Open) -> None:
    with open_page() as (page, _):
        page.goto("/api/docs")
        expect(page.locator(".opblock").first).to_be_visible()

        assert violations(page) == []
        page.locator(".opblock-summary-control").first.click()
        expect(page.locator(".opblock-body").first).to_be_visible()
        assert violations(page) == []


def test_axe_finds_nothing_serious_where_something_is_confirmed_or_was_typed_wrongly(
    clinic: Clinic, open_page: Open
) -> None:
    found = []
    with open_page() as (page, watch):
        for verb in ("Pause", "Move a firing", "Reschedule"):
            page.goto(clinic.page_of("scheduledevent", "event"))
            page.locator("summary", has_text=verb).click()
            form = page.locator("details[open] form")
            form.get_by_label("Reason").fill("they asked for it")
            if verb.startswith("Move"):
                form.locator("[name=to]").fill("2099-06-03T17:30")
            form.get_by_role("button", name=verb).click()
            expect(page.get_by_role("button", name="yes, do it")).to_be_visible()
            found += violations(page)
        page.goto(f"{EVENTS}?entity=patient:4711")
        page.get_by_label("all that match").check()
        page.get_by_role("button", name="Count them").click()
        expect(page.locator(".duly-count")).to_be_visible()
        found += violations(page)
        page.goto(f"{EVENTS}new/")
        for name, text in (("type", "reminder"), ("rule", "61 9 * * *"), ("reason", "x")):
            page.locator(f"#content [name={name}]").fill(text)
        page.get_by_role("button", name="Schedule").click()
        expect(page.locator("#content .errornote").first).to_contain_text("Nothing was scheduled")
        found += violations(page)
        # Chromium reports every answer of 400.
        watch.errors = [error for error in watch.errors if "400 (Bad Request)" not in error]

    assert found == []


def test_nothing_is_wider_than_a_phone(clinic: Clinic, open_page: Open) -> None:
    with open_page(viewport=PHONE, is_mobile=True, has_touch=True) as (page, _):
        wide = {}
        for name, path in pages_of(clinic).items():
            page.goto(path)
            open_all(page)
            if across := page.evaluate(ACROSS):
                wide[name] = across

    assert wide == {}


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until an element has the focus, as somebody without a mouse does."""
    for _ in range(120):
        page.keyboard.press("Tab")
        if page.evaluate("(wanted) => document.activeElement.matches(wanted)", selector):
            return
    raise AssertionError(f"no Tab leads to {selector} on {page.url}")


def test_an_event_is_found_and_paused_by_the_keyboard_alone(open_page: Open) -> None:
    with open_page() as (page, _):
        page.goto(EVENTS)
        tab_to(page, "[name=entity]")
        page.keyboard.type("patient:105")
        page.keyboard.press("Enter")
        expect(page.locator("#result_list tbody tr")).to_have_count(1)
        tab_to(page, "#result_list a[href*='/change/']")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Change it")).to_be_visible()
        tab_to(page, "summary")
        while "Pause" not in page.evaluate("document.activeElement.textContent"):
            tab_to(page, "summary")
        page.keyboard.press("Enter")
        tab_to(page, "#pause-reason")
        page.keyboard.type("on holiday")
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="Pause: yes, do it")).to_be_visible()
        tab_to(page, "form.duly-form button")
        page.keyboard.press("Enter")
        expect(page.locator(".messagelist")).to_contain_text("done")
        expect(page.locator(".duly-status").first).to_have_text("paused")


def test_the_first_tab_on_the_dashboard_leads_to_its_content(open_page: Open) -> None:
    with open_page() as (page, _):
        page.goto("/duly/")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        tab_to(page, "#tile-due")
