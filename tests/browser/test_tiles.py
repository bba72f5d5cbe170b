"""What the Library shows of an asset that changes while the page is open."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from playwright.sync_api import APIResponse, Locator, Page, Route, expect

from generation.changes import revisions
from generation.models import Image
from tests.acting import create_project
from tests.browser.conftest import Browsers
from tests.browser.pages import go_live
from tests.browser.test_grid import fill
from tests.functional.callers import Machine
from tests.functional.installation import Installation
from tests.functional.programs import eventually


@pytest.fixture
def images(live: Installation, machine: Machine, owner: User) -> list[Image]:
    """Three, the newest first."""
    live.person(owner).submit(quantity=3)
    machine.finish()
    return list(Image.objects.filter(owner=owner).order_by("-saved_at", "-id"))


@pytest.fixture
def page(browsers: Browsers, owner: User, images: list[Image]) -> Page:
    page = browsers.open("/library/", user=owner)
    go_live(page)
    return page


def tile(page: Page, image: Image) -> Locator:
    return page.locator(f"#tile-image-{image.pk}")


def change(live: Installation, image: Image, **fields: object) -> int:
    """Write as every action does, stamped with the owner's next revision; the revision.

    What the pages hear of is a submission after it: this process may share no channel layer with the server.
    """
    with transaction.atomic():
        [revision] = revisions.take(owner_id=image.owner_id, count=1)
        assert Image.objects.filter(pk=image.pk).update(**fields, revision=revision) == 1
    live.person(image.owner).submit()
    return revision


def shows_revision(page: Page, image: Image, revision: int) -> None:
    expect(tile(page, image)).to_have_attribute("data-revision", str(revision))


def order(page: Page) -> list[str]:
    tiles = page.locator("[data-tile]").evaluate_all("(tiles) => tiles.map((tile) => tile.dataset.id)")
    return [str(each) for each in tiles]


def hold(page: Page, image: Image) -> None:
    """Tick the tile, put the focus on it and remember it, so that `is_held` can tell."""
    tile(page, image).locator("[data-tick]").check(force=True)
    tile(page, image).locator("[data-open]").focus()
    page.evaluate("(id) => { window.held = document.getElementById(id); }", f"tile-image-{image.pk}")


def assert_held(page: Page, image: Image) -> None:
    """It is the same element, still ticked and still focused."""
    assert page.evaluate("(id) => window.held === document.getElementById(id)", f"tile-image-{image.pk}")
    expect(tile(page, image).locator("[data-tick]")).to_be_checked()
    expect(tile(page, image).locator("[data-open]")).to_be_focused()


def test_a_changed_tile_shows_and_keeps_tick_and_focus(
    live: Installation, page: Page, owner: User, images: list[Image]
) -> None:
    moved = images[1]
    hold(page, moved)

    project = create_project(owner_id=owner.pk, name="Lighthouses")
    revision = change(live, moved, project=project, prompt="a lighthouse by night")

    shows_revision(page, moved, revision)
    expect(tile(page, moved).get_by_role("img")).to_have_attribute("alt", "a lighthouse by night")
    assert order(page) == [str(image.pk) for image in images]
    assert_held(page, moved)


def test_a_tile_goes_where_its_new_sort_place_is(live: Installation, page: Page, images: list[Image]) -> None:
    newest, second, third = images
    hold(page, newest)

    shows_revision(page, newest, change(live, newest, saved_at=third.saved_at - timedelta(seconds=1)))

    assert order(page) == [str(image.pk) for image in (second, third, newest)]
    assert_held(page, newest)
    days = page.locator(".day")
    expect(days).to_have_count(1)

    for image, there_are in ((newest, 2), (second, 2), (third, 1)):
        days_ago = timedelta(days=2) + (newest.saved_at - image.saved_at)
        shows_revision(page, image, change(live, image, saved_at=newest.saved_at - days_ago))
        expect(days).to_have_count(there_are)

    assert order(page) == [str(image.pk) for image in images]
    assert_held(page, newest)


def test_an_older_push_never_overwrites_a_newer_one(
    live: Installation, page: Page, images: list[Image]
) -> None:
    changed = images[0]
    old = tile(page, changed).evaluate("(tile) => tile.outerHTML")
    revision = change(live, changed, prompt="newer", saved_at=changed.saved_at + timedelta(seconds=1))
    shows_revision(page, changed, revision)

    asset = {"id": str(changed.pk), "media": "image", "html": old, "removed": False}
    late = json.dumps({"type": "changes", "revision": revision, "assets": [asset]})
    page.evaluate("(data) => window.sockets.at(-1).dispatchEvent(new MessageEvent('message', {data}))", late)

    shows_revision(page, changed, revision)
    expect(tile(page, changed).get_by_role("img")).to_have_attribute("alt", "newer")


def test_an_open_viewer_stays_and_tells_what_changed(
    live: Installation, page: Page, owner: User, images: list[Image]
) -> None:
    viewer = page.get_by_role("dialog", name="Viewer")
    tile(page, images[1]).locator("[data-open]").click()
    expect(viewer.locator(".details")).to_contain_text("General")
    page.evaluate("window.held = document.querySelector('[data-stage] img')")

    change(live, images[1], project=create_project(owner_id=owner.pk, name="Lighthouses"))

    expect(viewer.locator(".details")).to_contain_text("Lighthouses")
    assert page.evaluate("window.held.isConnected")
    expect(viewer.locator("[data-place]")).to_contain_text("Picture 2")


def test_a_part_that_was_long_on_its_way_does_not_bring_back_how_things_were(
    live: Installation, page: Page, images: list[Image]
) -> None:
    """The answer with the oldest tile was made before that tile changed."""
    last = images[-1]
    rows = fill(last, 150)
    oldest = Image.objects.get(pk=rows[-1].pk)
    held: list[Route] = []
    answers: list[tuple[Route, APIResponse]] = []

    def keep(route: Route) -> None:
        if answers:
            route.continue_()
        else:
            held.append(route)

    page.route("**/library/?*from_hour=*", keep)
    page.reload()
    go_live(page)
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    eventually(lambda: page.evaluate("1") and bool(held))
    answers += [(route, route.fetch()) for route in held]
    page.evaluate("() => grid.addEventListener('tiles-changed', () => { window.heard = true; })")
    revision = change(live, oldest, prompt="newer")
    eventually(lambda: page.evaluate("window.heard === true"))
    for route, answer in answers:
        route.fulfill(response=answer)

    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    expect(tile(page, oldest).get_by_role("img")).to_have_attribute("alt", "newer")
    shows_revision(page, oldest, revision)
