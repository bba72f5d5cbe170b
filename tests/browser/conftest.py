"""Real pages in a real Chromium, of a real server. Every page is watched for errors and CSP violations."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect
from pytest_django import DjangoDbBlocker

from tests.functional.callers import Machine, session_of
from tests.functional.installation import Installation, installed
from tests.servers import launch_options

HERE = Path(__file__).parent
PATIENCE_MS = 60_000  # only a failure takes as long
# What Chromium itself writes when an answer says no, or when a test took the network away.
# A socket that was opened beside a slow one is closed when that one answers after all.
EXPECTED = re.compile(
    r"Failed to load resource: the server responded with a status of (409|422)"
    r"|WebSocket is closed before the connection is established"
)
NETWORK = re.compile(r"net::ERR_|WebSocket (connection|is closed)|Failed to load resource")
SPY = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`));
window.sockets = [];
window.WebSocket = class extends WebSocket {
  constructor(...given) { super(...given); window.sockets.push(this); }
};
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker("browser")
            item.add_marker(pytest.mark.timeout(400))


@pytest.fixture(scope="session", autouse=True)
def _orm_beside_the_browser() -> Iterator[None]:
    """Playwright's synchronous API runs a loop in this thread; the ORM is used beside it, not in it."""
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    expect.set_options(timeout=PATIENCE_MS)
    yield
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installed(tmp_path_factory.mktemp("browser") / "data", RETRY_BACKOFF_SECONDS="0") as fresh:
        yield fresh


@pytest.fixture
def live(installation: Installation, django_db_blocker: DjangoDbBlocker) -> Iterator[Installation]:
    """The installation, its database at hand."""
    with django_db_blocker.unblock(), installation.database():
        yield installation
        installation.tidy()


@pytest.fixture
def machine(live: Installation) -> Machine:
    """A worker that is this test."""
    return live.machine()


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    return dict(launch_options())


class Browsers:
    """Browsers of their own for people, and what went wrong in them."""

    def __init__(self, live: Installation, chromium: Browser) -> None:
        self.live = live
        self.chromium = chromium
        self.contexts: list[BrowserContext] = []
        self.problems: list[str] = []
        self.network_is_cut = False

    def context(self, user: User | None = None, **options: Any) -> BrowserContext:
        """A browser; with a user signed in."""
        options = {"base_url": self.live.address, "reduced_motion": "reduce", **options}
        context = self.chromium.new_context(**options)
        context.set_default_timeout(PATIENCE_MS)
        context.set_default_navigation_timeout(PATIENCE_MS)
        context.on("console", self._heard)
        context.on("weberror", lambda error: self.problems.append(f"uncaught: {error.error}"))
        context.add_init_script(SPY)
        if user is not None:
            cookie = {"name": "sessionid", "value": session_of(user), "url": self.live.address}
            context.add_cookies([cookie])  # type: ignore[list-item] # a plain dict will do
        self.contexts.append(context)
        return context

    def open(self, path: str = "/", *, user: User, **options: Any) -> Page:
        """The page in a browser of its own, its socket live."""
        page = self.context(user, **options).new_page()
        page.goto(path)
        return page

    def _heard(self, message: ConsoleMessage) -> None:
        expected = EXPECTED.search(message.text) or (self.network_is_cut and NETWORK.search(message.text))
        if message.type in ("error", "warning") and not expected:
            self.problems.append(f"{message.type}: {message.text} {message.location.get('url', '')}")

    def close(self) -> None:
        for context in self.contexts:
            for page in context.pages:
                self.problems += page.evaluate("window.violations ?? []")
            context.close()


@pytest.fixture
def browsers(live: Installation, browser: Browser) -> Iterator[Browsers]:
    """No page of the test may have logged an error, thrown, or met the content security policy."""
    opened = Browsers(live, browser)
    yield opened
    opened.close()
    assert opened.problems == []


@pytest.fixture
def owner(live: Installation) -> User:
    return live.user()
