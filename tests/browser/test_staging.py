"""What an owner does with work in progress, with the bundled worker: order, pause, again, cancel, undo."""

from __future__ import annotations

import re

from django.contrib.auth.models import User
from playwright.sync_api import Locator, Page, expect

from generation.models import Job
from tests.browser.conftest import Browsers
from tests.browser.pages import go_live, make, press_in_menu, stack, toast, write
from tests.functional.installation import Installation

NAMES = ["ant", "bee", "cow", "dog", "eel"]


def in_section(page: Page, section: str) -> Locator:
    return page.locator(f'#stacks > [data-section="{section}"] > .stack h2')


def grip(page: Page, job: Job) -> Locator:
    return stack(page, job).get_by_role("button", name="Move", exact=True)


def drag(page: Page, what: Locator, onto: Locator) -> None:
    """Onto the upper half of something, by the mouse."""
    start, end = what.bounding_box(), onto.bounding_box()
    assert start
    assert end
    page.mouse.move(start["x"] + start["width"] / 2, start["y"] + start["height"] / 2)
    page.mouse.down()
    page.mouse.move(end["x"] + 40, end["y"] + 30, steps=4)
    page.mouse.move(end["x"] + 40, end["y"] + 4, steps=2)
    page.mouse.up()


def test_work_in_progress_is_in_its_owners_hand(live: Installation, browsers: Browsers, owner: User) -> None:
    page = browsers.open(user=owner, viewport={"width": 1440, "height": 900})
    other = browsers.open(user=owner)
    go_live(page)
    for name in NAMES:
        write(page, name)
        make(page)
        expect(in_section(page, "waiting").filter(has_text=name)).to_be_visible()
    jobs = {name: Job.objects.get(prompt=name) for name in NAMES}
    go_live(other)

    # By key: the focus stays on the line that is moved, and each move is said.
    grip(page, jobs["eel"]).focus()
    for order in (["ant", "bee", "cow", "eel", "dog"], ["ant", "bee", "eel", "cow", "dog"]):
        page.keyboard.press("ArrowUp")
        expect(in_section(page, "waiting")).to_have_text(order)
        expect(grip(page, jobs["eel"])).to_be_focused()
    expect(toast(page)).to_contain_text("Moved: number 3 of your 5 that wait.")
    page.keyboard.press("Home")
    expect(in_section(page, "waiting")).to_have_text(["eel", "ant", "bee", "cow", "dog"])
    expect(grip(page, jobs["eel"])).to_be_focused()
    expect(page.locator(".queue .cards[open]")).to_have_count(1)
    # By pointer, and what was not dropped elsewhere stays.
    drag(page, grip(page, jobs["dog"]), stack(page, jobs["ant"]))
    ordered = ["eel", "dog", "ant", "bee", "cow"]
    expect(in_section(page, "waiting")).to_have_text(ordered)
    drag(page, grip(page, jobs["bee"]), stack(page, jobs["bee"]))
    expect(in_section(other, "waiting")).to_have_text(ordered)

    # Paused, in every tab and after a reload; a worker that comes begins nothing.
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#work")).to_contain_text("Your queue is paused · 5 waiting")
    expect(other.locator("#work")).to_contain_text("Your queue is paused")
    expect(page.get_by_role("button", name="Resume")).to_be_focused()
    worker = live.worker(pace=3.0)
    page.reload()
    expect(page.locator("#estimate")).to_contain_text("your queue is paused")
    expect(in_section(page, "waiting")).to_have_text(ordered)
    expect(stack(page, jobs["ant"])).to_contain_text("waits: your queue is paused")
    page.wait_for_timeout(2500)
    assert not Job.objects.of(owner.pk).exclude(attempt=0).exists()
    page.get_by_role("button", name="Resume").click()
    expect(in_section(page, "running").or_(in_section(page, "finished"))).to_contain_text(["eel"])

    # How long it has been running goes on after a reload, by the server's clock.
    expect(in_section(page, "running")).to_have_count(1)
    expect(page.locator("time[data-elapsed]").first).to_contain_text(re.compile(r"[1-9]\d* s so far"))
    page.reload()
    expect(page.locator("time[data-elapsed]").first).to_contain_text(re.compile(r"[1-9]\d* s so far"))
    expect(in_section(page, "finished")).to_have_text(ordered[::-1])
    assert list(Job.objects.of(owner.pk).order_by("started_at").values_list("prompt", flat=True)) == ordered

    # Again, and varied; then all is stopped, and what had not begun comes back.
    opener = stack(page, jobs["ant"]).get_by_role("link", name="More for this job")
    go_live(page)
    live.person(owner).post("/workspace/pause", {})
    press_in_menu(page, opener, "Run again")
    expect(toast(page).filter(has_text="Queued again, with the same seed.")).to_be_visible()
    expect(in_section(page, "waiting")).to_have_text(["ant"])
    press_in_menu(page, opener, "Vary")
    expect(in_section(page, "waiting")).to_have_text(["ant", "ant"])
    same, varied = Job.objects.of(owner.pk).filter(attempt=0).order_by("pk")
    assert same.slots[0].seed == jobs["ant"].slots[0].seed != varied.slots[0].seed
    page.get_by_role("button", name="Cancel all 2").click()
    expect(in_section(page, "waiting")).to_have_count(0)
    toast(page).filter(has_text="Cancelled 2.").get_by_role("button", name="Undo").click()
    expect(in_section(page, "waiting")).to_have_text(["ant", "ant"])
    expect(page.locator("#work")).to_contain_text("Your queue is paused · 2 waiting")
    page.get_by_role("button", name="Resume").click()
    expect(in_section(page, "finished")).to_have_count(7)
    worker.stop()
