"""Stars and hearts in the Library, where they also decide what is shown."""

from __future__ import annotations

from django.contrib.auth.models import User
from playwright.sync_api import expect

from generation.models import Image
from tests.browser.conftest import Browsers
from tests.browser.pages import go_live, toast
from tests.functional.callers import Machine
from tests.functional.installation import Installation


def test_a_filter_that_is_taken_back_keeps_the_focus(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    page = browsers.open("/library/", user=owner)
    go_live(page)
    favourites = page.get_by_role("checkbox", name="Favourites")
    for is_on in (True, False):
        favourites.press("Space")
        page.wait_for_url("**favourite=1" if is_on else "**/library/?")
        go_live(page)
        expect(favourites).to_be_checked(checked=is_on)
        expect(favourites).to_be_focused()


def test_a_heart_taken_where_only_hearts_are_shown_can_be_given_back(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    """Its picture leaves the page, and its buttons with it."""
    live.person(owner).submit()
    machine.finish()
    page = browsers.open("/library/", user=owner)
    go_live(page)
    page.locator("[data-tile]").hover()
    page.locator("[data-tile]").get_by_role("button", name="Favourite").click()
    expect(page.locator("[data-tile] .marks")).to_have_count(1)
    expect(toast(page)).to_have_count(0)  # it shows, and is taken back there

    page.goto("/library/?favourite=1")
    go_live(page)
    page.locator("[data-tile] [data-open]").click()
    expect(page.locator("#lightbox .details")).to_be_visible()
    page.keyboard.press("f")
    expect(page.locator("[data-tile]")).to_have_count(0)
    toast(page).get_by_role("button", name="Undo").click()
    expect(page.locator("[data-tile]")).to_have_count(1)
    assert Image.objects.get(owner=owner).favourite
