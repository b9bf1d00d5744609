"""The dashboard reads itself anew while somebody looks, and not otherwise."""

from __future__ import annotations

from playwright.sync_api import Page, Request, expect

from tests.browser.conftest import Open

# Headless, no tab is ever hidden by another.
SET_HIDDEN = """(hidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def requests_of(page: Page) -> list[str]:
    """Give the parts that are asked for from now on."""
    found: list[str] = []

    def note(request: Request) -> None:
        if "/part/" in request.url:
            found.append(request.url)

    page.on("request", note)
    return found


def test_polling_stops_in_a_hidden_tab_and_goes_on_at_once_in_sight(open_page: Open) -> None:
    with open_page() as (page, _):
        page.clock.install()
        page.goto("/duly/")
        page.evaluate(SET_HIDDEN, True)
        asked = requests_of(page)
        page.clock.fast_forward(10 * 60_000)
        page.evaluate("0")
        assert asked == []

        with page.expect_response("**/duly/part/numbers/"):
            page.evaluate(SET_HIDDEN, False)
            page.clock.fast_forward(1)


def test_updates_are_paused_by_a_button(open_page: Open) -> None:
    with open_page() as (page, _):
        page.clock.install()
        page.goto("/duly/")
        button = page.get_by_role("button", name="Pause updates")
        button.click()
        expect(button).to_have_attribute("aria-pressed", "true")
        asked = requests_of(page)
        page.clock.fast_forward(10 * 60_000)
        page.evaluate("0")
        assert asked == []


def test_a_parts_open_details_and_focus_survive_an_update(open_page: Open) -> None:
    with open_page() as (page, _):
        page.clock.install()
        page.goto("/duly/")
        page.locator("#tile-dead").focus()
        with page.expect_response("**/duly/part/numbers/") as answer:
            page.clock.fast_forward(3_000)
        answer.value.finished()
        expect(page.locator("#tile-dead")).to_be_focused()


def test_the_theme_is_chosen_with_a_button_and_kept(open_page: Open) -> None:
    with open_page() as (page, _):
        page.goto("/duly/")
        for theme in ("light", "dark"):
            page.get_by_role("button", name="Theme").click()
            expect(page.locator("html")).to_have_attribute("data-theme", theme)
        page.goto("/admin/")
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
