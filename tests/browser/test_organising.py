"""Organising the Library in one tab, and what another shows of it."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from generation.assets import operation_work, operations
from generation.assets.listing import library
from generation.models import Action, Collection, Source, Tag
from tests import acting
from tests.browser.conftest import Browsers
from tests.browser.pages import go_live, is_same_page, never_reloaded, toast
from tests.functional.callers import Machine
from tests.functional.installation import Installation
from tests.functional.programs import eventually

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"/>'
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}


def select(page: Page, *numbers: int) -> None:
    for number in numbers:
        page.locator("[data-tick]").nth(number).check(force=True)


def organise(page: Page, row: str, name: str, button: str = "Add") -> None:
    page.get_by_role("button", name="Organise").click()
    group = page.get_by_role("group", name=row)
    group.get_by_role("combobox").fill(name)
    group.get_by_role("button", name=button, exact=True).click()


def test_two_tabs_organise_one_library(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    """pitfalls 22, 23 and 39: tag, collection, project, title, an operation, and the undo of each kind."""
    live.person(owner).submit(quantity=6, prompt="foxes")
    machine.finish()
    here = browsers.open("/library/", user=owner)
    go_live(here)
    tiles = here.locator("[data-tile]")
    expect(tiles).to_have_count(6)

    select(here, 0, 1)
    organise(here, "Tag", "sea")
    expect(toast(here)).to_contain_text("Tagged 2 with “sea”.")
    there = browsers.open(f"/library/?tag={Tag.objects.get(owner=owner).pk}", user=owner)
    go_live(there)
    never_reloaded(there)
    expect(there.locator("[data-tile]")).to_have_count(2)
    select(here, 2)
    organise(here, "Tag", "sea")
    expect(there.locator("[data-tile]")).to_have_count(3)
    toast(here).get_by_role("button", name="Undo").last.click()
    expect(there.locator("[data-tile]")).to_have_count(2)
    select(here, 3)
    organise(here, "Collection", "Print these")
    expect(toast(here).last).to_contain_text("Added 1 to “Print these”.")

    # What is done in the other tab by its own means arrives here: a rating of all, with its progress.
    who: dict[str, Any] = {"owner_id": owner.pk, "actor": acting.user_actor(owner.pk)}
    operation = operations.start(action=Action.RATE, value={"rating": 3}, source=Source.LIBRARY, **who)
    tag_rating = "3 of 5 stars"
    expect(there.locator(".operation")).to_contain_text("waits")
    operation_work.work(owner.pk, seconds=20)
    expect(there.locator(".operation")).to_contain_text("Rated 6 with 3 of 5.")
    expect(there.locator(".marks", has_text=tag_rating)).to_have_count(2)
    there.locator(".operation").get_by_role("button", name="Undo").click()
    expect(here.locator(".marks")).to_have_count(0)
    expect(there.locator(".operation")).to_have_count(0)
    operation.refresh_from_db()
    assert operation.status == "undone"
    assert is_same_page(there)

    # The pages of collections follow, and so does a page whose collection goes.
    lists = browsers.open("/library/collections/", user=owner)
    go_live(lists)
    expect(lists.locator(".groupings li")).to_contain_text("1 item")
    collection = Collection.objects.get(owner=owner)
    there.goto(f"/library/?collection={collection.pk}")
    go_live(there)
    select(here, 4)
    organise(here, "Collection", "print THESE")
    expect(there.locator("[data-tile]")).to_have_count(2)
    expect(lists.locator(".groupings li")).to_contain_text("2 items")
    lists.get_by_role("link", name="Edit Print these").click()
    lists.get_by_role("button", name="Delete this collection").click()
    expect(there.locator("[data-tile]")).to_have_count(6)  # reloaded without the filter
    toast(lists).get_by_role("button", name="Undo").click()
    expect(lists.locator(".groupings li")).to_contain_text("2 items")


def test_the_trash_is_emptied_after_a_question(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    """On a phone; pitfall 39: what has no undo says so first."""
    live.person(owner).submit(quantity=3)
    machine.finish()
    ids = [asset.pk for asset in library(owner_id=owner.pk).assets]
    acting.discard(owner_id=owner.pk, assets=ids)
    page = browsers.open("/library/trash/", user=owner, **PHONE)
    go_live(page)
    page.get_by_role("button", name="Select", exact=True).click()
    select(page, 0)
    eventually(lambda: page.evaluate("[...document.images].every((image) => image.complete)"))
    # As a tile goes or grows, a browser may ask for another size of a picture that was deleted just now.
    page.route("**/thumbnail*", lambda route: route.fulfill(content_type="image/svg+xml", body=SVG))
    page.get_by_role("button", name="Delete now").click()
    page.get_by_role("button", name="Delete for good").click()
    expect(toast(page)).to_contain_text("Deleted 1 for good.")
    expect(page.locator("[data-tile]")).to_have_count(2)
    page.get_by_role("button", name="Empty the trash").click()
    expect(page.locator("#empty-trash")).to_contain_text("There is no undo.")
    expect(page.locator("#empty-trash")).to_be_visible()
    page.get_by_role("button", name="Delete all for good").click()
    expect(page.locator("[data-tile]")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
