"""Stars and hearts in the Library, where they also decide what is shown."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Route, expect

from generation.models import Asset, Image
from tests.browser.conftest import Browsers
from tests.browser.pages import go_live, toast
from tests.functional.callers import Machine
from tests.functional.installation import Installation
from tests.functional.programs import eventually


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
    expect(page.locator("#announcements")).to_have_text("Added to the favourites.")

    page.goto("/library/?favourite=1")
    go_live(page)
    page.locator("[data-tile] [data-open]").click()
    expect(page.locator("#lightbox .details")).to_be_visible()
    page.keyboard.press("f")
    expect(page.locator("[data-tile]")).to_have_count(0)
    toast(page).get_by_role("button", name="Undo").click()
    expect(page.locator("[data-tile]")).to_have_count(1)
    assert Image.objects.get(owner=owner).favourite


@pytest.mark.parametrize("comes", [True, False], ids=["that comes", "that never comes"])
def test_what_is_done_with_the_selection_waits_for_its_script(
    live: Installation, browsers: Browsers, machine: Machine, owner: User, comes: bool
) -> None:
    """It went off as a plain form, which loads the page again, and the focus was lost."""
    live.person(owner).submit(quantity=3)
    machine.finish()
    page = browsers.open("/library/", user=owner)
    held: list[Route] = []
    page.route("**/js/library-gestures.*.js", lambda route: held.append(route))
    go_live(page)
    page.evaluate("window.wasHere = true")
    page.locator("[data-tick]").first.check(force=True)
    page.locator(".selection-bar").get_by_role("button", name="Favourite").press("Enter")
    eventually(lambda: page.evaluate("1") and bool(held))
    if comes:
        held[0].continue_()
    else:
        browsers.network_is_cut = True
        held[0].abort()
    expect(toast(page)).to_contain_text("Added to the favourites.")
    assert page.evaluate("window.wasHere === true") is comes  # else the page was loaded again
    assert Image.objects.filter(owner=owner, favourite=True).count() == 1


def test_the_bar_of_what_is_selected_leaves_the_focus_beside_it(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    live.person(owner).submit(quantity=3)
    machine.finish()
    page = browsers.open("/library/", user=owner)
    go_live(page)
    page.locator("[data-tick]").first.check(force=True)
    page.locator(".selection-bar").get_by_role("button", name="Favourite").press("Enter")
    expect(toast(page)).to_contain_text("Added to the favourites.")
    expect(page.get_by_role("button", name="Select", exact=True)).to_be_focused()
    page.locator("[data-tick]").first.check(force=True)
    page.get_by_role("button", name="Clear selection").press("Enter")
    expect(page.get_by_role("button", name="Select", exact=True)).to_be_focused()


def test_the_marks_of_a_video_cover_neither_its_badge_nor_its_controls(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    live.person(owner).submit("video_fast", review=True)
    machine.finish()
    Asset.objects.filter(owner=owner).update(rating=5)
    page = browsers.open(user=owner)
    go_live(page)
    page.locator(".card").get_by_role("button", name="Save").press("Enter")
    expect(page.locator(".card").get_by_text("Saved", exact=True)).to_be_attached()
    page.get_by_role("textbox", name="Prompt", exact=True).focus()
    page.mouse.move(5, 5)
    boxes = [
        page.locator(f".card {badge}").bounding_box()
        for badge in (".film", ".marks", ".badge:not(.film, .marks)")
    ]
    video = page.locator(".card video").bounding_box()
    assert video
    film, marks, saved = boxes
    assert film
    assert marks
    assert saved
    assert saved["y"] + saved["height"] <= marks["y"]
    assert marks["y"] + marks["height"] < min(film["y"], video["y"] + video["height"] / 2)
