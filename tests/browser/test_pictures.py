"""The pictures of the documentation: made with `--screenshots`, looked after always."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Clinic
from tests.browser.watching import PHONE, watched

IMAGES = Path(__file__).parents[2] / "docs" / "images"
LARGEST_BYTES = 150_000
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"color_scheme": "light", "viewport": PHONE, "is_mobile": True},
}
NAMES = [f"{page}-{look}" for page in ("dashboard", "event") for look in LOOKS]


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_small_enough_to_keep(request: pytest.FixtureRequest, name: str) -> None:
    picture = IMAGES / f"{name}.png"
    if request.config.getoption("--screenshots", default=False):
        request.getfixturevalue("photographed")

    assert 5_000 < picture.stat().st_size < LARGEST_BYTES, "renew it: pytest --screenshots"


@pytest.fixture(scope="module")
def photographed(request: pytest.FixtureRequest) -> None:
    """Photograph the pages, as a person sees them first."""
    clinic: Clinic = request.getfixturevalue("clinic")
    browser, cookies = request.getfixturevalue("browser"), request.getfixturevalue("cookies")
    IMAGES.mkdir(exist_ok=True)
    pages = {"dashboard": "/duly/", "event": clinic.page_of("scheduledevent", "event")}
    for look, options in LOOKS.items():
        with watched(browser, clinic.url, storage_state=cookies, **options) as (page, _):
            for name, path in pages.items():
                page.goto(path)
                # Once more: now the server knows in which zone the browser is.
                page.reload()
                if name == "event" and look != "phone":
                    page.locator("#firings").evaluate("(head) => head.scrollIntoView()")
                page.screenshot(path=IMAGES / f"{name}-{look}.png")
