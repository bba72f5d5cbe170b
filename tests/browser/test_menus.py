"""The ⋯ menus, which are fetched when they are opened."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import Browsers
from tests.browser.pages import go_live, stack
from tests.functional.installation import Installation
from tests.functional.programs import eventually


@pytest.fixture
def jobs(live: Installation, owner: User) -> list[str]:
    person = live.person(owner)
    return [person.submit(prompt=prompt) for prompt in ("one", "other")]


@pytest.fixture
def page(browsers: Browsers, owner: User, jobs: list[str]) -> Page:
    page = browsers.open(user=owner)
    go_live(page)
    return page


def opener(page: Page, job: str) -> Locator:
    return stack(page, job).get_by_role("link", name="More for this job")


@pytest.mark.parametrize("by", ["pointer", "key"])
def test_what_opened_a_menu_closes_it(page: Page, jobs: list[str], by: str) -> None:
    """A browser closes it at the press of the pointer, before the click."""
    menu = page.locator("#menu")
    more = opener(page, jobs[0])
    for _ in range(2):
        for is_open in (True, False):
            if by == "pointer":
                more.click()
            else:
                more.press("Enter")
            expect(more).not_to_have_attribute("aria-busy", "true")
            page.wait_for_timeout(300)
            expect(menu).to_be_visible(visible=is_open)


def test_the_menu_that_was_asked_for_last_is_shown(page: Page, jobs: list[str]) -> None:
    held: list[Route] = []
    page.route(f"**/{jobs[0]}/menu", lambda route: held.append(route))
    opener(page, jobs[0]).click()
    opener(page, jobs[1]).click()
    entry = page.locator("#menu").get_by_role("button", name="Cancel")
    expect(entry).to_have_attribute("formaction", f"/workspace/jobs/{jobs[1]}/cancel")
    eventually(lambda: page.evaluate("1") and bool(held))
    held[0].continue_()
    expect(opener(page, jobs[0])).not_to_have_attribute("aria-busy", "true")
    expect(entry).to_have_attribute("formaction", f"/workspace/jobs/{jobs[1]}/cancel")


def test_a_press_that_waits_for_its_script_reaches_what_was_drawn_anew(page: Page, jobs: list[str]) -> None:
    held: list[Route] = []
    page.route("**/js/menus.*.js", lambda route: held.append(route))
    more = opener(page, jobs[0])
    more.click()
    eventually(lambda: page.evaluate("1") and bool(held))
    more.evaluate("(link) => link.replaceWith(link.cloneNode(true))")
    held[0].continue_()
    expect(page.locator("#menu").get_by_role("button", name="Cancel")).to_be_visible()
