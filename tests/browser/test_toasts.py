"""Toasts, used by key and by pointer."""

from __future__ import annotations

from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from tests.browser.conftest import Browsers
from tests.browser.pages import go_live, stack, toast
from tests.functional.installation import Installation

LONGER_MS = 20_000


def cancelled(live: Installation, browsers: Browsers, owner: User) -> tuple[Page, str]:
    """A page that offers to undo a cancel, its clock in the test's hands."""
    job = live.person(owner).submit()
    page = browsers.context(owner).new_page()
    page.clock.install()
    page.goto("/")
    go_live(page)
    stack(page, job).get_by_role("button", name="Cancel").press("Enter")
    expect(toast(page)).to_contain_text("Cancelled.")
    return page, job


def test_a_toast_waits_while_it_is_used_and_no_longer(
    live: Installation, browsers: Browsers, owner: User
) -> None:
    page, _ = cancelled(live, browsers, owner)
    toast(page).hover()
    page.mouse.move(5, 300)
    toast(page).get_by_role("button", name="Undo").focus()
    toast(page).hover()
    page.mouse.move(5, 300)
    page.clock.run_for(LONGER_MS)
    expect(toast(page)).to_have_count(1)
    page.get_by_role("textbox", name="Prompt", exact=True).focus()
    toast(page).hover()
    page.clock.run_for(LONGER_MS)
    expect(toast(page)).to_have_count(1)
    page.mouse.move(5, 300)
    page.clock.run_for(LONGER_MS)
    expect(toast(page)).to_have_count(0)


def test_the_focus_goes_back_to_where_it_was(live: Installation, browsers: Browsers, owner: User) -> None:
    page, job = cancelled(live, browsers, owner)
    more = stack(page, job).get_by_role("link", name="More for this job")
    more.focus()
    toast(page).get_by_role("button", name="Undo").press("Enter")
    expect(stack(page, job)).to_have_attribute("data-status", "queued")
    expect(more).to_be_focused()
    expect(toast(page)).to_have_count(1)
    toast(page).get_by_role("button", name="Dismiss").press("Enter")
    expect(toast(page)).to_have_count(0)
    expect(more).to_be_focused()
