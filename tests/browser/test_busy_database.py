"""SQLite has one writer: while another one holds it, people are told, and nothing that they sent is lost."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.pages import go_live, make, toast, write
from tests.functional.installation import Installation, installed

SOON_MS = 3_000  # it is told within
BOUND_S = 8  # of two requests, one after the other
JOB = {"job_type": "sdxl_image_fast", "prompt": "by a script"}


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installed(tmp_path_factory.mktemp("busy") / "data", DATABASE_URL="") as fresh:
        yield fresh


@contextlib.contextmanager
def another_writer(data: Path) -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(data / "db.sqlite3", isolation_level=None)) as own:
        own.execute("BEGIN IMMEDIATE")
        yield


def printed(live: Installation, *command: str) -> str:
    return live.manage(*command).communicate()[0].split()[-1]


def signed_in(live: Installation, browser: Browser, *, scripts: bool) -> Page:
    page = browser.new_context(base_url=live.address, java_script_enabled=scripts).new_page()
    page.goto(printed(live, "sign_in_link", "owner"))
    page.get_by_role("button").first.click()
    expect(page.get_by_role("textbox", name="Prompt", exact=True)).to_be_visible()
    return page


def test_a_locked_database_is_said_and_what_was_sent_is_made(
    on_sqlite: Installation, browser: Browser
) -> None:
    """It was silent for 20 s."""
    page = signed_in(on_sqlite, browser, scripts=True)
    plain = signed_in(on_sqlite, browser, scripts=False)
    bearer = {"Authorization": f"Bearer {printed(on_sqlite, 'create_token', 'owner')}"}
    go_live(page)
    write(page, "with scripts")
    write(plain, "without")
    with another_writer(on_sqlite.data):
        make(page)
        expect(toast(page)).to_contain_text("nothing is lost", timeout=SOON_MS)
        expect(toast(page)).to_contain_text("The server is busy. This page tries again by itself")
        expect(page.get_by_role("textbox", name="Prompt", exact=True)).to_have_value("with scripts")
        began = time.monotonic()
        plain.get_by_role("button", name="Make").click()
        expect(plain.get_by_role("heading", name="Back in a moment")).to_be_visible()
        expect(plain.get_by_label("Prompt")).to_have_value("without")
        answer = httpx.post(f"{on_sqlite.address}/api/v1/jobs", json=JOB, headers=bearer, trust_env=False)
        assert time.monotonic() - began < BOUND_S
        assert (answer.status_code, answer.json()["code"]) == (503, "busy")
        assert 0 < int(answer.headers["Retry-After"]) <= BOUND_S
    expect(page.locator(".stack h2")).to_have_text("with scripts")
    expect(toast(page)).to_have_count(0)
    plain.get_by_role("button", name="Try again").click()
    expect(plain.locator(".stack h2")).to_have_text(["with scripts", "without"])
