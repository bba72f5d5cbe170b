"""Everything by key, and the focus is never lost."""

from __future__ import annotations

from django.contrib.auth.models import User
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Browsers
from tests.browser.pages import cards, go_live, stack, toast
from tests.functional.callers import Machine
from tests.functional.installation import PASSWORD, Installation


def tab_to(page: Page, wanted: Locator) -> None:
    """As somebody without a mouse gets there."""
    for _ in range(80):
        if wanted.evaluate("it => it === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not lead to {wanted}")


def test_from_signing_in_to_a_saved_picture(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    page = browsers.context().new_page()
    page.goto("/")
    tab_to(page, page.get_by_label("Username"))
    page.keyboard.type(owner.username)
    tab_to(page, page.get_by_label("Password"))
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    go_live(page)
    tab_to(page, page.get_by_role("textbox", name="Prompt", exact=True))
    page.keyboard.type("a lighthouse by key")
    tab_to(page, page.locator("#more summary"))
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_label("Review first"))
    page.keyboard.press("Space")
    tab_to(page, page.get_by_role("button", name="Make"))
    page.keyboard.press("Enter")
    expect(cards(page, "waiting")).to_have_count(1)
    machine.finish()
    expect(cards(page, "done")).to_have_count(1)
    tab_to(page, cards(page, "done").get_by_role("button", name="Save"))
    page.keyboard.press("Enter")
    expect(toast(page)).to_contain_text("Saved to the Library.")
    expect(page.locator(".stack:focus, .stack :focus")).to_have_count(1)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("Favourite")
    page.keyboard.press("Escape")
    expect(page.locator(".stack:focus, .stack :focus")).to_have_count(1)


def test_the_focus_stays_beside_what_goes(live: Installation, browsers: Browsers, owner: User) -> None:
    """It fell to the body; nothing that destroys is under it where it lands."""
    person = live.person(owner)
    first, second, third = (person.submit(prompt=prompt) for prompt in ("one", "two", "three"))
    page = browsers.open(user=owner)
    go_live(page)
    tab_to(page, stack(page, first).get_by_role("button", name="Cancel"))
    page.keyboard.press("Enter")
    expect(stack(page, first)).to_have_attribute("data-status", "cancelled")
    expect(stack(page, first).locator(":focus")).to_have_count(1)
    page.keyboard.press("Tab")  # right after the action
    expect(toast(page).get_by_role("button", name="Undo")).to_be_focused()
    page.keyboard.press("F8")
    expect(stack(page, first).locator(":focus")).to_have_count(1)

    more = stack(page, first).get_by_role("link", name="More for this job")
    tab_to(page, more)
    page.keyboard.press("ArrowDown")
    menu = page.locator("#menu")
    expect(menu.get_by_text("Details")).to_be_focused()
    page.keyboard.press("Escape")
    expect(more).to_be_focused()
    page.keyboard.press("Enter")
    expect(menu.get_by_text("Details")).to_be_focused()
    page.keyboard.press("c")
    expect(menu.get_by_role("button", name="Clear from")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    expect(stack(page, first)).to_have_count(0)
    expect(page.locator(".stack:focus, h2:focus")).to_have_count(1)
    page.keyboard.press("F8")
    page.keyboard.press("Enter")
    expect(stack(page, first)).to_have_count(1)
    expect(toast(page).filter(has_text="Cleared")).to_have_count(0)

    tab_to(page, stack(page, second).get_by_role("button", name="Cancel"))
    person.http.post(
        f"/api/v1/jobs/{second}/cancel", headers={"X-CSRFToken": person.http.cookies["csrftoken"]}
    )
    expect(stack(page, second)).to_have_attribute("data-status", "cancelled")
    expect(stack(page, second).locator(":focus")).to_have_count(1)
    assert stack(page, third).count()


def test_the_sheet_of_keys_opens_at_its_top(live: Installation, browsers: Browsers, owner: User) -> None:
    """The focus went to its last button, and the beginning out of sight."""
    page = browsers.open("/library/", user=owner, viewport={"width": 1280, "height": 500})
    go_live(page)
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Keys")
    expect(sheet.get_by_role("heading", name="Keys")).to_be_in_viewport(ratio=1)
    assert sheet.evaluate("sheet => sheet.scrollHeight > sheet.clientHeight && sheet.scrollTop === 0")
    page.keyboard.press("Tab")
    expect(sheet.get_by_role("button", name="Close")).to_be_focused()
