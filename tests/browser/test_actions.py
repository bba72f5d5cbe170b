"""What can be done to work and results: clicked, and seen in a second tab and in the rows."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Locator, Page, expect

from generation.models import Image
from tests.browser.conftest import Browsers
from tests.browser.pages import cards, go_live, stack, toast
from tests.functional import ledger
from tests.functional.callers import Machine, failure
from tests.functional.installation import Installation


class Desk:
    """Somebody's Workspace in two tabs: one to press things in, with or without scripts, and one more."""

    def __init__(self, live: Installation, browsers: Browsers, owner: User, *, scripts: bool) -> None:
        self.scripts = scripts
        self.person = live.person(owner)
        self.second = browsers.open(user=owner)
        go_live(self.second)
        self.page = browsers.context(owner, java_script_enabled=scripts).new_page()

    def look(self) -> Page:
        """The page with what is there now."""
        self.page.goto("/")
        if self.scripts:
            go_live(self.page)
        return self.page

    def press(self, where: Locator, name: str) -> None:
        """On a card the buttons show when it is pointed at."""
        where.hover()
        where.get_by_role("button", name=name, exact=True).first.click()
        if not self.scripts:
            self.page.wait_for_load_state()


@pytest.fixture(params=[True, False], ids=["scripts", "plain"])
def desk(live: Installation, browsers: Browsers, owner: User, request: pytest.FixtureRequest) -> Desk:
    return Desk(live, browsers, owner, scripts=request.param)


def test_cancel(desk: Desk, machine: Machine) -> None:
    job = desk.person.submit(quantity=3)
    work = machine.lease()
    machine.deliver(work, 0)
    page = desk.look()
    desk.press(stack(page, job).locator(".todo"), "Cancel")

    expect(toast(page)).to_contain_text("Cancelled")
    for tab in (page, desk.second):
        expect(stack(tab, job)).to_have_attribute("data-status", "cancelled")
        expect(cards(tab, "done")).to_have_count(1)
        expect(cards(tab, "cancelled")).to_have_count(2)
    assert [asset.status for asset in ledger.job(job).slots] == ["completed", "cancelled", "cancelled"]
    assert machine.heartbeat(work).json() == {"action": "cancel"}


def test_retry_of_what_failed(desk: Desk, machine: Machine) -> None:
    """Pitfall 6: the failed slots and only those run again."""
    job = desk.person.submit(quantity=3)
    work = machine.lease()
    machine.deliver(work, 1)
    machine.report(work, failure(work, 0), failure(work, 2), status="completed")
    page = desk.look()
    for tab in (page, desk.second):
        expect(cards(tab, "failed")).to_have_count(2)
        expect(cards(tab, "failed").first).to_contain_text("The GPU ran out of memory.")
    kept = ledger.done(job)[0]
    desk.press(stack(page, job).locator(".todo"), "Try 2 again")

    expect(toast(page)).to_contain_text("Trying again")
    for tab in (page, desk.second):
        expect(stack(tab, job)).to_have_attribute("data-status", "queued")
        expect(cards(tab, "failed")).to_have_count(0)
    again = machine.lease()
    assert [slot["image_index"] for slot in again["slots"]] == [0, 2]
    machine.deliver(again, 0, 2, status="completed")
    expect(cards(desk.second, "done")).to_have_count(3)
    ledger.assert_whole(job, 3)
    assert kept.file.name in {asset.file.name for asset in ledger.done(job)}


def test_discard_and_undo(desk: Desk, machine: Machine) -> None:
    """Pitfall 7: one picture of a batch goes, the others stay; undo brings it back to its place."""
    job = desk.person.submit(quantity=3)
    machine.finish()
    page = desk.look()
    victim = ledger.job(job).slots[1]
    saved_at = victim.saved_at
    desk.press(page.locator(f"#image-{victim.pk}"), "Discard")

    expect(toast(page)).to_contain_text("Discarded.")
    for tab in (page, desk.second):
        expect(tab.locator(f"#image-{victim.pk}")).to_have_count(0)
        expect(cards(tab, "done")).to_have_count(2)
    victim.refresh_from_db()
    assert victim.trashed_at

    toast(page).get_by_role("button", name="Undo").click()
    expect(toast(page).last).to_contain_text("Restored.")
    for tab in (page, desk.second):
        expect(cards(tab, "done").nth(1)).to_have_id(f"image-{victim.pk}")
    restored = ledger.job(job).slots[1]
    assert restored.trashed_at is None
    assert restored.saved_at == saved_at


def test_save_under_review_and_discard_the_rest(desk: Desk, machine: Machine) -> None:
    job = desk.person.submit(quantity=3, review=True)
    machine.finish()
    page = desk.look()
    first = ledger.job(job).slots[0]
    in_library = Image.objects.filter(job__pk=job).in_library()
    assert not in_library.exists()
    desk.press(page.locator(f"#image-{first.pk}"), "Save")

    expect(toast(page)).to_contain_text("Saved to the Library.")
    for tab in (page, desk.second):
        expect(tab.locator(f"#image-{first.pk}")).to_contain_text("Saved")
        expect(stack(tab, job).locator(".facts")).to_contain_text("2 to review")
    assert in_library.get() == first

    desk.press(stack(page, job).locator(".todo"), "Discard the rest")
    expect(toast(page).last).to_contain_text("Discarded 2.")
    for tab in (page, desk.second):
        expect(cards(tab, "done")).to_have_count(1)
    toast(page).last.get_by_role("button", name="Undo").click()
    for tab in (page, desk.second):
        expect(cards(tab, "done")).to_have_count(3)
    assert in_library.count() == 1, "undo puts them back under review, not into the Library"
    desk.press(stack(page, job).locator(".todo"), "Save the rest")
    for tab in (page, desk.second):
        expect(stack(tab, job).locator(".facts")).not_to_contain_text("to review")
    assert in_library.count() == 3


def test_clear_finished(desk: Desk, machine: Machine) -> None:
    """Pitfalls 28, 29 and 39: work and results under review stay, the Library keeps all, undo is there."""
    finished, reviewed = desk.person.submit(), desk.person.submit(review=True)
    machine.finish()
    machine.finish()
    waiting = desk.person.submit()
    page = desk.look()
    expect(page.locator(".stack")).to_have_count(3)
    page.get_by_role("button", name="Clear finished").click()

    expect(toast(page)).to_contain_text("Cleared 1.")
    for tab in (page, desk.second):
        expect(tab.locator(".stack")).to_have_count(2)
        expect(stack(tab, finished)).to_have_count(0)
        expect(stack(tab, reviewed)).to_have_count(1)
        expect(stack(tab, waiting)).to_have_count(1)
        expect(tab.get_by_role("button", name="Clear finished")).to_be_hidden()
    assert Image.objects.filter(job__pk=finished).in_library().count() == 1
    toast(page).last.get_by_role("button", name="Undo").click()
    expect(toast(page).last).to_contain_text("1 back on the Workspace.")
    for tab in (page, desk.second):
        expect(stack(tab, finished)).to_have_count(1)
        expect(tab.get_by_role("button", name="Clear finished")).to_be_visible()
    page.goto("/library/")
    expect(page.locator("[data-tile]")).to_have_count(1)


def test_cancel_all_and_undo(desk: Desk, machine: Machine) -> None:
    """Pitfall 39: what had not begun waits again in its order, and what ran is cancelled for good."""
    running = desk.person.submit()
    machine.lease()
    waiting = [desk.person.submit(quantity=3) for _ in range(2)]
    page = desk.look()
    page.get_by_role("button", name="Cancel all 3").click()
    expect(toast(page)).to_contain_text("Cancelled 3.")
    for tab in (page, desk.second):
        expect(tab.locator('.stack[data-status="cancelled"]')).to_have_count(3)

    toast(page).get_by_role("button", name="Undo").click()
    expect(toast(page).last).to_contain_text("2 wait again.")
    for tab in (page, desk.second):
        expect(stack(tab, running)).to_have_attribute("data-status", "cancelled")
        expect(tab.locator(".queue > .stack")).to_have_count(2)
        expect(tab.locator(".queue > .stack").first).to_have_attribute("id", f"stack-{waiting[0]}")
    assert [slot.status for slot in ledger.job(waiting[1]).slots] == ["queued"] * 3


def test_make_and_the_library_without_scripts(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    page = browsers.open(user=owner, java_script_enabled=False)
    page.get_by_role("textbox", name="Prompt", exact=True).fill("")
    page.get_by_role("button", name="Make").click()
    expect(page.locator('[data-error="prompt"]')).not_to_be_empty()
    page.get_by_role("textbox", name="Prompt", exact=True).fill("no scripts at all")
    page.locator('[data-field="quantity"] label:has(input[value="3"])').click()
    page.get_by_role("button", name="Make").click()
    expect(cards(page, "waiting")).to_have_count(3)
    machine.finish()
    page.reload()
    expect(cards(page, "done")).to_have_count(3)

    page.get_by_role("link", name="Library").click()
    expect(page.locator("[data-tile]")).to_have_count(3)
    page.locator("[data-tick]").first.check(force=True)
    page.locator(".selection-bar").get_by_role("button", name="Discard").click()
    expect(page.locator("[data-tile]")).to_have_count(2)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("[data-tile]")).to_have_count(3)
    page.locator("[data-open]").first.click()
    expect(page.locator(".asset-page figure img")).to_be_visible()
    with page.expect_download() as begun:
        page.get_by_role("link", name="Download").click()
    assert begun.value.suggested_filename.startswith("no-scripts-at-all-")


def test_back_after_a_reload_in_the_viewer(desk: Desk, machine: Machine) -> None:
    """The address in the viewer is that of a page of its own: Back and Forward show what the address says."""
    desk.person.submit(quantity=3)
    machine.finish()
    page = desk.page
    page.goto("/library/")
    page.locator("[data-open]").nth(1).click()
    page.wait_for_url("**/library/image/*/")
    page.reload()
    expect(page.locator(".asset-page figure img")).to_be_visible()
    page.go_back()
    expect(page.locator("[data-tile]")).to_have_count(3)
    page.go_forward()
    expect(page.locator("#lightbox[open], .asset-page")).to_be_visible()
