"""Organising the Library in one tab, and what another shows of it."""

from __future__ import annotations

import re
from typing import Any

from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from generation.assets import groupings, memberships, operation_work, operations
from generation.assets.groupings import COLLECTIONS, TAGS
from generation.assets.listing import library
from generation.models import Action, Collection, Project, Source, Tag
from tests import acting
from tests.browser.conftest import Browsers
from tests.browser.pages import go_live, is_same_page, never_reloaded, toast
from tests.browser.test_heard import LISTEN, heard
from tests.browser.test_viewing import assert_no_violations
from tests.functional.callers import Machine
from tests.functional.installation import Installation
from tests.functional.programs import eventually

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"/>'
# Panels that stand against what is above them.
GLUED = """[...document.querySelectorAll(".panel")].filter((it) => {
  const above = it.previousElementSibling?.getBoundingClientRect();
  return it.checkVisibility() && above?.height && it.getBoundingClientRect().top - above.bottom < 16;
}).map((it) => it.outerHTML.slice(0, 120))"""
WIDE = {"viewport": {"width": 1440, "height": 900}}
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
    toast(here).last.hover()  # it stays, however long the other tab takes
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
    expect(there.locator(".operation")).to_contain_text("Rating: starting")
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
    toast(lists).last.hover()
    expect(there.locator("[data-tile]")).to_have_count(6)  # reloaded without the filter
    toast(lists).get_by_role("button", name="Undo").click()
    expect(lists.locator(".groupings li")).to_contain_text("2 items")


def test_it_is_said_what_waits_and_what_has_ended(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    """Nothing waits for a change that there is not; the end of each is said once to whoever cannot see it."""
    live.person(owner).submit(quantity=6, prompt="foxes")
    machine.finish()
    context = browsers.context(owner)
    context.add_init_script(LISTEN)
    page = context.new_page()
    page.goto("/library/")
    go_live(page)
    who: dict[str, Any] = {"owner_id": owner.pk, "actor": acting.user_actor(owner.pk)}
    operations.start(action=Action.RATE, value={"rating": 3}, source=Source.LIBRARY, **who)
    person = live.person(owner)
    person.submit()  # by which the page hears at once: this process may share no channel layer with it
    rows = page.locator(".operation p")
    expect(rows).to_have_text(["Rating: starting"])
    operations.start(action=Action.FAVOURITE, value={"favourite": True}, source=Source.LIBRARY, **who)
    person.submit()
    waits = "Adding to the favourites: waits for the change before it"
    expect(rows).to_have_text(["Rating: starting", waits])
    assert heard(page) == ""
    operation_work.work(owner.pk, seconds=20)
    person.submit()
    ends = ["Rated 6 with 3 of 5.", "Added 6 to the favourites."]
    expect(rows).to_have_text(ends)
    eventually(lambda: all(heard(page).count(end) == 1 for end in ends), heard(page))
    machine.finish()
    expect(page.locator("[data-tile]")).to_have_count(7)
    assert heard(page).count("Rated") == 1


def test_back_leaves_no_tick_that_selects_nothing(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    """Chromium ticks boxes as they were left. What is ticked is selected, and the bar is there for that."""
    live.person(owner).submit(quantity=3)
    machine.finish()
    page = browsers.open("/library/", user=owner, **WIDE)
    go_live(page)
    for leave in (
        lambda: page.get_by_role("button", name="Compare").click(),
        lambda: page.get_by_role("link", name="Collections").click(),
    ):
        for number in (0, 1):
            page.locator("[data-tile]").nth(number).hover()
            page.locator("[data-tick]").nth(number).click()
        expect(page.locator("[data-count]")).to_have_text("2 selected")
        leave()
        expect(page).to_have_url(re.compile("/library/(compare|collections)"))
        page.go_back()
        go_live(page)
        expect(page.locator("[data-tick]:checked")).to_have_count(0)
        expect(page.locator(".selection-bar")).to_be_hidden()


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
    # On a phone there are ticks only then.
    expect(page.get_by_role("button", name="Done", exact=True)).to_be_visible()
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


def test_a_project_is_moved_to_and_renamed_in_one_tab_and_another_follows(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    """pitfalls 22, 23: a page of the project, and the page of projects, without a reload."""
    live.person(owner).submit(quantity=3, prompt="foxes")
    machine.finish()
    here = browsers.open("/library/", user=owner, **WIDE)
    go_live(here)
    select(here, 0)
    organise(here, "Project", "Sea", "Move")
    expect(toast(here)).to_contain_text("Moved 1 to “Sea”.")
    project = Project.objects.get(owner=owner, name="Sea")
    there = browsers.open(f"/library/?project={project.pk}", user=owner)
    lists = browsers.open("/library/projects/", user=owner, **WIDE)
    for page in (there, lists):
        go_live(page)
        never_reloaded(page)
    expect(there.locator("[data-tile]")).to_have_count(1)
    card = lists.locator(".groupings li", has_text="Sea")
    expect(card).to_contain_text("1 item")

    select(here, 1)
    organise(here, "Project", "sea", "Move")
    expect(there.locator("[data-tile]")).to_have_count(2)
    expect(card).to_contain_text("2 items")
    toast(here).get_by_role("button", name="Undo").last.click()
    expect(there.locator("[data-tile]")).to_have_count(1)
    expect(card).to_contain_text("1 item")

    here.goto(f"/library/projects/{project.pk}/edit")
    here.get_by_label("Name").fill("The sea at night, far away from every harbour")
    here.get_by_role("button", name="Rename").click()
    renamed = lists.locator(".groupings li", has_text="The sea at night")
    expect(renamed).to_contain_text("1 item")
    pencil = renamed.get_by_role("link", name="Edit").bounding_box()
    words = renamed.locator("p").last.evaluate(
        "(p) => { const r = document.createRange(); r.selectNodeContents(p);"
        " return r.getBoundingClientRect().right; }"
    )
    assert pencil is not None
    assert words <= pencil["x"]
    assert is_same_page(there)
    assert is_same_page(lists)


def test_pages_of_collections_have_no_wcag_violation(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    """The lists, the page of one, and a Library that one narrows, with the chip that takes it back."""
    live.person(owner).submit(quantity=1, prompt="foxes")
    machine.finish()
    who: dict[str, Any] = {"owner_id": owner.pk, "actor": acting.user_actor(owner.pk)}
    [asset] = library(owner_id=owner.pk).assets
    for kind in (COLLECTIONS, TAGS):
        group = groupings.create(kind, name=f"My {kind.name}", **who)
        memberships.add(kind, group_id=group.pk, assets=[asset.pk], **who)
    box = Collection.objects.get(owner=owner)
    addresses = [f"/library/{plural}/" for plural in ("collections", "tags", "projects")]
    addresses += [f"/library/collections/{box.pk}/edit", f"/library/?collection={box.pk}"]
    page = browsers.open("/library/", user=owner)
    for address in addresses:
        page.goto(address)
        assert_no_violations(page)
        assert page.evaluate(GLUED) == []
    page.get_by_role("link", name="Without Collection: My collection").click()
    expect(page).to_have_url(re.compile(r"/library/\?*$"))


def test_stacks(live: Installation, browsers: Browsers, machine: Machine, owner: User) -> None:
    """Switched on and off in the address; walked over and inside; selected with all they hold; live."""
    person = live.person(owner)
    for prompt in ("a fox", "an owl"):
        person.submit(quantity=6, prompt=prompt)
        machine.finish()
    here = browsers.open("/library/", user=owner, **WIDE)
    go_live(here)
    tiles = here.locator("[data-tile]")
    expect(tiles).to_have_count(12)
    here.get_by_text("Stacks", exact=True).click()
    expect(here).to_have_url(re.compile(r"/library/\?stacks=1$"))
    go_live(here)
    expect(tiles).to_have_count(2)
    expect(here.locator(".stack")).to_have_text(["6", "6"])
    assert_no_violations(here)

    there = browsers.open("/library/", user=owner)
    go_live(there)
    third = there.locator("[data-tile]").nth(2)
    best = third.get_attribute("data-id") or ""
    third.locator("[data-open]").focus()
    there.keyboard.press("4")
    expect(tiles.first).to_have_attribute("data-id", best)
    expect(tiles).to_have_count(2)

    # Over the stacks to the right, inside one down; the first stack is where it goes on from.
    here.locator("[data-open]").first.click()
    viewer = here.get_by_role("dialog", name="Viewer")
    expect(viewer.get_by_role("heading", name="Of the same job")).to_be_visible()
    shown = here.url
    assert best in shown
    here.keyboard.press("ArrowDown")
    expect(here).not_to_have_url(shown)
    assert best not in here.url
    here.keyboard.press("ArrowRight")
    other = tiles.nth(1).get_attribute("data-id") or ""
    expect(here).to_have_url(re.compile(other))
    here.keyboard.press("Escape")

    select(here, 0)
    expect(here.locator(".selection-bar [data-count]")).to_have_text("1 stack, with all in it, selected")
    here.get_by_role("button", name="Favourite", exact=True).last.click()
    expect(toast(here)).to_contain_text("Added 6 to the favourites.")
    here.locator(".stack").first.click()
    expect(tiles).to_have_count(6)
    expect(here.locator(".marks")).to_have_count(6)
    here.get_by_role("link", name="Without One stack").click()
    expect(tiles).to_have_count(2)


def test_what_is_typed_into_the_menu_does_nothing_else(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    """A digit, a letter, Home or an arrow pressed the menu's other buttons."""
    live.person(owner).submit(quantity=3, prompt="foxes")
    machine.finish()
    page = browsers.open("/library/", user=owner, **WIDE)
    go_live(page)
    posted: list[str] = []
    page.on("request", lambda request: posted.append(request.url) if request.method == "POST" else None)
    told = {"Tag": "Tagged 1 with", "Collection": "Added 1 to", "Project": "Moved 1 to"}
    for row, words in told.items():
        select(page, 0)
        page.get_by_role("button", name="Organise").click()
        field = page.get_by_role("group", name=row).get_by_role("combobox")
        field.click()
        page.keyboard.type("26 best tm")
        for key in ("Home", "2", "0", "End", "ArrowLeft", "x"):
            page.keyboard.press(key)
        expect(field).to_have_value("2026 best txm")
        page.keyboard.press("Enter")
        expect(toast(page).filter(has_text=f"{words} “2026 best txm”.")).to_be_visible()
    assert [url.rpartition("/")[2] for url in posted] == ["add-tag", "add-to-collection", "move"]
