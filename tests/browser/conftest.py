"""One browser and one service that fires, for all tests of this folder."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, StorageState, sync_playwright

from tests.browser.watching import Watched, watched
from tests.service.serving import Serving, environment_of

HERE = Path(__file__).parent
USER, PASSWORD = "admin", "tick-tock-heron-77"
NAMES = ("chromium", "chromium-browser", "google-chrome")
Open = Callable[..., AbstractContextManager[tuple[Page, Watched]]]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Make the pictures of the documentation only when somebody asks for them."""
    parser.addoption("--screenshots", action="store_true", help="renew docs/images/*.png")


@dataclass(frozen=True, slots=True)
class Clinic:
    """A service that runs, and what is in it."""

    serving: Serving
    ids: dict[str, Any]

    @property
    def url(self) -> str:
        """Where it serves."""
        return self.serving.url

    def page_of(self, kind: str, name: str) -> str:
        """Give the path of a page of the admin."""
        return f"/admin/duly/{kind}/{self.ids[name]}/change/"

    def create(self, name: str) -> None:
        """Make a file that its handlers look for."""
        (self.serving.folder / name).touch()


@pytest.fixture(scope="package")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    """`duly serve` with its engine, on SQLite, with events that fired, died and are to come."""
    folder = tmp_path_factory.mktemp("clinic")
    shutil.copy(HERE / "clinic.py", folder)
    variables = {"DULY_HANDLERS": "clinic", "DULY_ADMIN_PASSWORD": PASSWORD}
    with Serving(folder, variables=variables) as serving:
        settings = {"DJANGO_SETTINGS_MODULE": "duly.service.settings"}
        filled = subprocess.run(
            [sys.executable, HERE / "seed.py"],
            cwd=folder,
            env=environment_of(folder, **variables, **settings),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert filled.returncode == 0, filled.stderr
        yield Clinic(serving, json.loads(filled.stdout))


# Of the package, not of the session: Playwright's loop runs in the thread of the tests, and
# beneath a running loop Django refuses to use a database.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Start the Chromium that is installed."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"there is no browser: none of {', '.join(NAMES)} is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_alone(browser: Browser, clinic: Clinic) -> Open:
    """Open a page as somebody who is not logged in; takes options of a browser's context."""
    return partial(watched, browser, clinic.url)


def log_in(page: Page) -> None:
    """Fill in the admin's form."""
    page.get_by_label("Username").fill(USER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


@pytest.fixture(scope="package")
def cookies(browser: Browser, clinic: Clinic) -> StorageState:
    """Log in once."""
    with watched(browser, clinic.url) as (page, _):
        page.goto("/admin/")
        log_in(page)
        return page.context.storage_state()


@pytest.fixture
def open_page(open_alone: Open, cookies: StorageState) -> Open:
    """Open a page as somebody who may do everything."""
    return partial(open_alone, storage_state=cookies)
