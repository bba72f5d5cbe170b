"""Results looked at large, without leaving the Workspace."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Locator, Page, Route, expect

from generation.models import Image
from tests.browser.conftest import Browsers
from tests.browser.pages import cards, go_live, is_same_page, never_reloaded, toast
from tests.functional.callers import Machine
from tests.functional.installation import Installation
from tests.functional.programs import eventually


@pytest.fixture
def work(live: Installation, machine: Machine, owner: User) -> dict[str, Any]:
    """A job of three in work, of which the last is not made yet; below it a finished job of one."""
    person = live.person(owner)
    person.submit(prompt="in work", quantity=3, review=True)
    work = machine.lease()
    machine.deliver(work, 0, 1)
    person.submit(prompt="finished")
    machine.finish()
    return work


@pytest.fixture
def page(browsers: Browsers, owner: User, work: dict[str, Any]) -> Page:
    page = browsers.open(user=owner)
    go_live(page)
    never_reloaded(page)
    return page


def viewer(page: Page) -> Locator:
    return page.get_by_role("dialog", name="Viewer")


def assert_shows(page: Page, place: int) -> None:
    """The card at `place` among those done, and what is told of it."""
    file = cards(page, "done").nth(place).get_attribute("data-file") or ""
    expect(viewer(page).locator("[data-stage] img")).to_have_attribute("src", file)
    expect(viewer(page).locator(".details").get_by_role("link", name="Download")).to_have_attribute(
        "href", re.compile(re.escape(file))
    )


def test_keys_step_through_what_is_done_and_close(page: Page) -> None:
    """pitfall 30: cards that show no result are not counted."""
    cards(page, "done").nth(1).get_by_role("link").first.click()
    assert_shows(page, 1)
    page.keyboard.press("ArrowRight")
    assert_shows(page, 2)
    expect(viewer(page).locator("[data-step='1']")).to_be_disabled()
    page.keyboard.press("ArrowRight")
    assert_shows(page, 2)
    page.keyboard.press("Home")
    assert_shows(page, 0)
    expect(viewer(page).locator("[data-step='-1']")).to_be_disabled()
    page.keyboard.press("Escape")
    expect(viewer(page)).to_be_hidden()
    expect(cards(page, "done").nth(0).get_by_role("link").first).to_be_focused()
    assert is_same_page(page)


def test_back_closes_and_a_reload_shows_the_same(page: Page) -> None:
    cards(page, "done").nth(2).get_by_role("link").first.click()
    assert_shows(page, 2)
    page.reload()
    assert_shows(page, 2)
    page.go_back()
    expect(viewer(page)).to_be_hidden()
    expect(cards(page, "done")).to_have_count(3)
    page.go_forward()
    assert_shows(page, 2)


def test_results_are_saved_and_discarded_from_the_viewer(page: Page, owner: User) -> None:
    """pitfall 27: what is shown follows what was done; the next takes the place of what has left."""
    second, third = Image.objects.filter(owner=owner, job__prompt="in work").order_by("image_index")[:2]
    page.locator(f"#image-{second.pk}").get_by_role("link").first.click()
    viewer(page).get_by_role("button", name="Save").click()
    expect(toast(page)).to_contain_text("Saved to the Library.")
    expect(viewer(page).get_by_role("button", name="Save")).to_have_count(0)
    assert Image.objects.get(pk=second.pk).saved_at
    viewer(page).get_by_role("button", name="Discard", exact=True).click()
    expect(page.locator(f"#image-{second.pk}")).to_have_count(0)
    expect(viewer(page).locator("[data-stage] img")).to_have_attribute("src", re.compile(str(third.pk)))
    toast(page).filter(has_text="Moved").get_by_role("button", name="Undo").click()
    expect(page.locator(f"#image-{second.pk}")).to_have_count(1)
    page.keyboard.press("ArrowLeft")
    expect(viewer(page).locator("[data-stage] img")).to_have_attribute("src", re.compile(str(second.pk)))


def test_what_is_finished_meanwhile_is_next(page: Page, machine: Machine, work: dict[str, Any]) -> None:
    cards(page, "done").nth(1).get_by_role("link").first.click()
    assert_shows(page, 1)
    machine.deliver(work, 2, status="completed")
    expect(cards(page, "done")).to_have_count(4)
    page.keyboard.press("ArrowRight")
    assert_shows(page, 2)


def test_a_video_opens_large(live: Installation, browsers: Browsers, machine: Machine, owner: User) -> None:
    live.person(owner).submit("video_fast")
    machine.finish()
    page = browsers.open(user=owner)
    cards(page, "done").hover()
    page.get_by_role("link", name="Open large").click()
    expect(viewer(page).locator("[data-stage] video")).to_be_visible()


def test_without_a_script_the_page_of_the_picture_has_its_actions(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    live.person(owner).submit(review=True)
    machine.finish()
    page = browsers.open(user=owner, java_script_enabled=False)
    cards(page, "done").get_by_role("link").first.click()
    page.get_by_role("button", name="Save").click()
    expect(toast(page)).to_contain_text("Saved to the Library.")
    assert Image.objects.in_library().filter(owner=owner).count() == 1


def test_stars_and_the_heart_are_given_by_key_and_taken_back(page: Page) -> None:
    cards(page, "done").nth(1).get_by_role("link").first.click()
    assert_shows(page, 1)
    card = cards(page, "done").nth(1)

    page.keyboard.press("4")
    expect(viewer(page).get_by_role("button", name="4 of 5 stars")).to_have_attribute("aria-pressed", "true")
    expect(viewer(page).get_by_role("button", name="5 of 5 stars")).to_have_attribute("aria-pressed", "false")
    expect(card.get_by_text("4 of 5 stars")).to_have_count(1)

    page.keyboard.press("f")
    heart = viewer(page).get_by_role("button", name="Favourite")
    expect(heart).to_have_attribute("aria-pressed", "true")
    expect(card.get_by_text("Favourite", exact=True)).to_have_count(1)

    page.keyboard.press("4")
    expect(card.get_by_text("4 of 5 stars")).to_have_count(0)
    expect(toast(page)).to_have_count(0)  # the stars say it, and take it back
    assert is_same_page(page)


def test_the_focus_stays_on_the_star_that_was_pressed(page: Page) -> None:
    """What is told of a picture comes anew with its stars."""
    cards(page, "done").nth(1).get_by_role("link").first.click()
    assert_shows(page, 1)
    star = viewer(page).get_by_role("button", name="2 of 5 stars")
    star.press("Enter")
    expect(star).to_have_attribute("aria-pressed", "true")
    expect(star).to_be_focused()
    star.press("f")
    expect(viewer(page).get_by_role("button", name="Favourite")).to_have_attribute("aria-pressed", "true")
    expect(star).to_be_focused()


def test_keys_that_are_faster_than_the_line_are_not_lost(page: Page) -> None:
    """A held key is one press."""
    cards(page, "done").nth(0).get_by_role("link").first.click()
    assert_shows(page, 0)
    held: list[Route] = []
    page.route("**/library/image/*/", lambda route: route.continue_() if held else held.append(route))
    page.keyboard.press("ArrowRight")
    for key in ("3", "f", "5"):
        page.keyboard.press(key)
    for _ in range(4):
        page.keyboard.down("f")
    page.keyboard.up("f")
    eventually(lambda: page.evaluate("1") and bool(held))
    held[0].continue_()
    card = cards(page, "done").nth(1)
    expect(card.get_by_text("5 of 5 stars")).to_have_count(1)
    expect(card.get_by_text("Favourite", exact=True)).to_have_count(0)
    expect(toast(page)).to_have_count(0)
