"""What is done where it was asked for: a reference image, a composer that gives way, messages that leave."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Page, expect

from generation.models import Image
from tests.browser.conftest import Browsers
from tests.browser.pages import go_live, is_same_page, never_reloaded, toast, write
from tests.browser.test_desk import box, full
from tests.browser.test_draft import open_more
from tests.browser.test_look import PHONE, assert_fits_fingers
from tests.browser.test_references import chips
from tests.functional.callers import Machine
from tests.functional.installation import Installation

OUT_OF_SIGHT = "Object.defineProperty(document, 'visibilityState', {get: () => window.sight ?? 'visible'})"


def look(page: Page, sight: str) -> None:
    page.evaluate(
        "(sight) => { window.sight = sight; document.dispatchEvent(new Event('visibilitychange')); }", sight
    )


def test_a_result_becomes_a_reference_where_the_page_stands(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    live.person(owner).submit(prompt="the first one", quantity=1)
    machine.finish()
    page = browsers.open(user=owner)
    go_live(page)
    never_reloaded(page)
    write(page, "typed before")
    open_more(page)
    page.get_by_label("Enhance the prompt").check()
    page.locator(".card[data-phase='done'] [data-menu]").dispatch_event("click")
    page.get_by_role("link", name="Use as reference").click()
    expect(chips(page)).to_have_text(["Style 60 %"])
    expect(page.get_by_label("Enhance the prompt"), "it cannot use one").not_to_be_checked()
    expect(page.get_by_role("textbox", name="Prompt", exact=True)).to_have_value("typed before")
    toast(page).get_by_role("button", name="Undo").click()
    expect(chips(page)).to_have_count(0)
    expect(page.get_by_label("Enhance the prompt")).to_be_checked()
    page.locator(".card[data-phase='done'] [data-open]").click()
    page.get_by_role("link", name="Use as reference").click()
    expect(page.locator("#lightbox")).to_be_hidden()
    expect(chips(page)).to_have_text(["Style 60 %"])
    assert is_same_page(page)


def test_a_composer_with_more_open_leaves_no_hole(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    full(live, machine, owner)
    for options in ({"viewport": {"width": 1280, "height": 900}}, PHONE):
        page = browsers.open(user=owner, **options)
        go_live(page)
        page.get_by_role("textbox", name="Prompt", exact=True).focus()
        open_more(page)
        for y in (60, 300, 600, 900):
            page.evaluate(f"scrollTo(0, {y})")
            page.locator(".finished-head h2").dispatch_event("click")  # as if it was used
            page.wait_for_timeout(200)
            composer, desk = box(page, "#composer"), box(page, "#desk")
            bottom = composer["y"] + composer["height"]
            if options is PHONE:
                assert composer["y"] + composer["height"] > 830, (y, composer)
                continue
            visible_end = desk["y"] + desk["height"]
            first = box(page, ".finished-head")["y"]
            assert bottom == visible_end or first < bottom, (y, composer, desk, first)


def test_messages_leave_also_where_a_finger_was(browsers: Browsers, live: Installation, owner: User) -> None:
    for _ in range(3):
        live.person(owner).submit()
    page = browsers.context(owner, **PHONE).new_page()
    page.clock.install()
    page.goto("/")
    go_live(page)
    page.clock.pause_at(timezone.now() + timedelta(minutes=1))
    for left in (2, 1, 0):
        page.locator(".stack").first.get_by_role("link", name="More for this job").press("Enter")
        page.locator(".menu:popover-open").get_by_role("button", name="Cancel").press("Enter")
        expect(page.locator('.stack[data-section="waiting"]')).to_have_count(left)
    expect(toast(page)).to_have_count(2)
    toast(page).last.locator("span").tap()
    browsers.network_is_cut = True  # as it seems to a page whose clock jumps
    page.clock.run_for(20_000)
    expect(toast(page)).to_have_count(0)


def test_the_viewer_says_its_zoom_and_has_targets_for_fingers(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    live.person(owner).submit(prompt="large")
    machine.finish()
    page = browsers.open(f"/library/image/{Image.objects.get(owner=owner).pk}/", user=owner, **PHONE)
    for link in page.locator(".recall a, .details dd a").all():
        size = link.bounding_box()
        assert size is not None
        assert min(size["height"], size["width"]) >= 40, link.inner_text()
    assert_fits_fingers(page)
    page = browsers.open(user=owner)
    go_live(page)
    page.locator(".card[data-phase='done'] [data-open]").click()
    expect(page.locator("#lightbox .details")).to_be_visible()
    for key, words in (("i", "Details hidden"), ("i", "Details shown"), ("+", "%"), ("0", "As it fits")):
        page.keyboard.press(key)
        expect(page.locator("#announcements")).to_contain_text(words)


def test_the_library_counts_what_comes_out_of_sight(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    live.person(owner).submit(prompt="new", quantity=3)
    context = browsers.context(owner)
    context.add_init_script(OUT_OF_SIGHT)
    page = context.new_page()
    page.goto("/library/")
    go_live(page)
    look(page, "hidden")
    machine.finish()
    expect(page).to_have_title("(3) Library · OurVidz")
    look(page, "visible")
    expect(page).to_have_title("Library · OurVidz")
