"""The composer and the width of the page, on every screen."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from tests.browser.conftest import Browsers
from tests.browser.pages import go_live, make, stack, write
from tests.browser.test_look import PHONE, SIDEWAYS, assert_fits_fingers
from tests.functional.callers import Machine
from tests.functional.installation import Installation


def box(page: Page, selector: str) -> Any:
    return page.locator(selector).bounding_box()


def full(live: Installation, machine: Machine, owner: User) -> None:
    person = live.person(owner)
    for number in range(6):
        person.submit(prompt=f"finished {number}", quantity=6)
        machine.finish()


def test_make_while_scrolled_shows_where_it_went(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    """On a desktop the composer keeps its place, and nothing else moves for it."""
    full(live, machine, owner)
    page = browsers.open(user=owner, viewport={"width": 1440, "height": 900})
    go_live(page)
    height = box(page, "#composer")["height"]
    page.evaluate("scrollTo(0, 900)")
    expect(page.locator("#desk[data-small]")).to_have_count(1)
    small = box(page, "#composer")
    assert small["y"] >= 56
    assert small["height"] < height
    before = box(page, ".stack:last-child")
    write(page, "from far below")
    assert box(page, "#composer")["height"] > small["height"]
    assert box(page, ".stack:last-child") == pytest.approx(before, abs=0.5)
    make(page)
    pill = page.get_by_role("button", name="1 new above")
    expect(pill).to_be_visible()
    pill.click()
    expect(page.locator(".stack:focus")).to_contain_text("from far below")
    expect(page.locator(".stack:focus")).to_be_in_viewport()
    expect(pill).to_be_hidden()


def test_the_composer_leaves_the_page_to_the_work(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    """A third of a phone's screen at most, with chips; nothing of it at four times the size."""
    full(live, machine, owner)
    page = browsers.open(user=owner, **PHONE)
    go_live(page)
    screen = PHONE["viewport"]["height"]
    write(page, "with chips")
    page.locator("#more summary").tap()
    page.get_by_label("Seed", exact=True).fill("7")
    page.locator("#more summary").tap()
    expect(page.locator("#chips .chip")).to_have_count(1)
    opened = box(page, "#composer")
    assert opened["height"] <= screen / 3
    assert_fits_fingers(page)
    page.locator("#workers").tap()
    folded = box(page, "#composer")
    assert folded["height"] < opened["height"]
    assert folded["y"] + folded["height"] <= screen + 1
    assert_fits_fingers(page)
    page.evaluate("scrollTo(0, 700)")
    page.get_by_role("button", name="Make").tap()
    page.get_by_role("button", name="1 new above").tap()
    expect(page.locator(".stack:focus")).to_be_in_viewport()

    page.set_viewport_size({"width": 320, "height": 256})
    assert page.evaluate(SIDEWAYS) <= 0
    page.evaluate("scrollTo(0, 700)")
    covering = page.locator("#composer, .top").evaluate_all(
        """all => all.map((it) => it.getBoundingClientRect())
            .filter(({top, bottom}) => bottom > 0 && top < innerHeight).length"""
    )
    assert covering == 0

    wide = browsers.open(user=owner, viewport={"width": 2560, "height": 1440})
    go_live(wide)
    assert stack(wide, str(owner.jobs.first().pk)).count() == 1
    boxes = wide.locator('[data-section="finished"] > .stack').evaluate_all(
        "all => all.map((it) => it.getBoundingClientRect().toJSON())"
    )
    assert boxes[0]["top"] == boxes[1]["top"]
    assert boxes[1]["right"] > 2400
