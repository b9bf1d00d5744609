"""A page of the service in a browser, and all that must not happen on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    Request,
    Response,
    Route,
    expect,
)

PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 900}
# Far more than anything takes: it is for machines that do much else.
WAIT_MS = 20_000
expect.set_options(timeout=WAIT_MS)
# Of the browser's own words for a refusal, only the console has them all.
TELL_OF_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) => console.error(
    `policy: ${event.violatedDirective} forbids ${event.blockedURI} ${event.sample}`));
"""


@dataclass
class Watched:
    """What went wrong in a browser."""

    url: str
    errors: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    unguarded: list[str] = field(default_factory=list)

    def told(self, message: ConsoleMessage) -> None:
        """Keep what the console says of errors and warnings."""
        if message.type in ("error", "warning"):
            self.errors.append(f"{message.text} ({message.location.get('url')})")

    def refused(self, route: Route, request: Request) -> None:
        """Let nothing out to another host."""
        self.elsewhere.append(request.url)
        route.abort()

    def answered(self, response: Response) -> None:
        """Look at the policy of every page."""
        if response.request.resource_type != "document":
            return
        policy = response.headers.get("content-security-policy", "")
        parts = set(policy.split("; "))
        if not {"default-src 'none'", "script-src 'self'", "style-src 'self'"} <= parts:
            self.unguarded.append(f"{response.url}: {policy!r}")

    def is_foreign(self, url: str) -> bool:
        """Say whether a request leaves the service."""
        return not url.startswith((f"{self.url}/", "data:", "blob:"))

    def assert_clean(self) -> None:
        """Fail with all that went wrong."""
        for what in ("errors", "elsewhere", "unguarded"):
            found = getattr(self, what)
            assert not found, f"{what}: {found}"


@contextmanager
def watched(browser: Browser, url: str, **options: Any) -> Iterator[tuple[Page, Watched]]:
    """Open a page with cookies of its own; in the end, nothing must have gone wrong on it."""
    settings: dict[str, Any] = {"viewport": DESK, "timezone_id": "Europe/Berlin"} | options
    context = browser.new_context(base_url=url, reduced_motion="reduce", **settings)
    context.set_default_timeout(WAIT_MS)
    context.add_init_script(TELL_OF_VIOLATIONS)
    watch = Watched(url)
    context.route(watch.is_foreign, watch.refused)
    context.on("console", watch.told)
    context.on("weberror", lambda error: watch.errors.append(str(error.error)))
    context.on("response", watch.answered)
    try:
        yield context.new_page(), watch
    finally:
        context.close()
    watch.assert_clean()
