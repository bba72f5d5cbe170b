"""A slot while it is made: its own progress, and how it looks so far."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import Browsers
from tests.browser.pages import cards, go_live, is_same_page, never_reloaded, shown
from tests.browser.test_tabs import assert_alike
from tests.factories import png
from tests.functional.callers import Machine
from tests.functional.installation import Installation
from tests.servers import temporary_redis
from tests.servers.process import free_port

WINDOW_S = 1.0
WATCH_FOR_BARE_CARDS = """
  window.bare = [];
  new MutationObserver(() => {
    const card = document.querySelector(".card");
    if (!card.querySelector("img.preview")) bare.push(card.textContent.trim());
  }).observe(document.getElementById("stacks"), { childList: true, subtree: true });
"""


def preview(page: Page) -> Locator:
    return cards(page, "running").locator("img.preview")


def colour(picture: Locator) -> int:
    """The red of the picture's middle, 0 to 255."""
    red: int = picture.evaluate(
        """(image) => {
          const canvas = Object.assign(document.createElement("canvas"), {width: 1, height: 1});
          const drawing = canvas.getContext("2d");
          drawing.drawImage(image, 0, 0, 1, 1);
          return drawing.getImageData(0, 0, 1, 1).data[0];
        }"""
    )
    return red


def boxes(page: Page) -> list[Any]:
    return [card.bounding_box() for card in cards(page).all()]


def test_the_preview_of_the_slot_in_work_is_seen_sharpened_and_replaced(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    """pitfall 32: live, in another tab and after a reload the same, and nothing ever moves."""
    live.person(owner).submit(quantity=3, aspect="3:2")
    page = browsers.open(user=owner, reduced_motion="no-preference")
    go_live(page)
    never_reloaded(page)
    before = boxes(page)
    work = machine.lease()

    assert machine.preview(work, 0, png(96, 64, shade=40)).status_code == 204
    expect(preview(page)).to_have_count(1)
    assert abs(colour(preview(page)) - 40) < 8
    first = preview(page).get_attribute("src")
    time.sleep(WINDOW_S)
    machine.heartbeat(work, 20, "sketching", slot=0)
    assert machine.preview(work, 0, png(96, 64, shade=200)).status_code == 204
    expect(cards(page, "running")).to_contain_text("60 %")
    expect(page.locator(f'img.preview[src="{first}"]')).to_have_count(0)
    expect(preview(page)).to_have_count(1)
    assert abs(colour(preview(page)) - 200) < 8
    assert boxes(page) == before

    assert_alike(page, browsers.open(user=owner))
    machine.deliver(work, 0)
    expect(cards(page, "done").locator("a > img")).to_have_js_property("complete", True)
    expect(page.locator("img.preview")).to_have_count(0)
    expect(cards(page, "running")).to_contain_text("0 %")
    assert boxes(page) == before
    assert is_same_page(page)
    assert_alike(page, browsers.open(user=owner))


def test_the_card_is_never_bare_between_two_previews_nor_before_the_picture(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    """Progress arrives while one preview fades over another, and the picture takes its time."""
    live.person(owner).submit()
    page = browsers.open(user=owner, reduced_motion="no-preference")
    held: list[Route] = []
    page.route("**/thumbnail", lambda route: held.append(route))
    go_live(page)
    work = machine.lease()
    machine.preview(work, 0, png(96, 64, shade=40))
    expect(preview(page)).to_have_count(1)
    page.evaluate(WATCH_FOR_BARE_CARDS)
    pace = page.context.new_cdp_session(page)
    pace.send("Animation.enable")
    pace.send("Animation.setPlaybackRate", {"playbackRate": 0.01})

    time.sleep(WINDOW_S)
    machine.preview(work, 0, png(96, 64, shade=200))
    expect(preview(page)).to_have_count(2)
    machine.heartbeat(work, 40, "sketching")
    expect(cards(page, "running")).to_contain_text("40 %")
    expect(preview(page)).to_have_count(2)
    pace.send("Animation.setPlaybackRate", {"playbackRate": 100})
    expect(preview(page)).to_have_count(1)
    assert abs(colour(preview(page)) - 200) < 8

    machine.deliver(work, 0, status="completed")
    last = cards(page, "done").locator("img.preview")
    expect(last).to_have_css("opacity", "1")
    assert last.evaluate("(image) => image.getAnimations().length") == 0, "it does not fade in again"
    assert page.evaluate("bare") == []
    held[0].continue_()
    expect(last).to_have_count(0)


def test_each_slot_shows_its_own_progress_and_the_others_wait_quietly(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    """pitfall 32"""
    live.person(owner).submit(quantity=6)
    page = browsers.open(user=owner)
    go_live(page)
    work = machine.lease()
    machine.heartbeat(work, 60, "sketching", slot=3)
    running = cards(page, "running")
    expect(running).to_have_count(1)
    expect(running).to_contain_text("60 %")
    assert running.get_attribute("style") == "--p:60%"
    assert cards(page).nth(3).get_attribute("data-phase") == "running"
    expect(cards(page, "waiting")).to_have_text(["1 of 6", "2 of 6", "3 of 6", "5 of 6", "6 of 6"])
    expect(page.locator(".facts")).to_contain_text(re.compile(r"0 of 6, about \d+ s left"))
    assert_alike(page, browsers.open(user=owner))


def test_a_preview_that_is_gone_leaves_the_card_as_it_was(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    live.person(owner).submit()
    context = browsers.context(owner)
    context.route("**/preview?v=*", lambda route: route.fulfill(status=200, body=b""))
    page = context.new_page()
    page.goto("/")
    go_live(page)
    work = machine.lease()
    machine.heartbeat(work, 30, "sketching")
    machine.preview(work, 0, png())
    time.sleep(WINDOW_S)
    machine.heartbeat(work, 40, "sketching")
    expect(cards(page, "running")).to_contain_text("40 %")
    assert "preview" not in shown(page)


@pytest.fixture
def pair(live: Installation) -> Iterator[list[Installation]]:
    """Two web processes that share a Redis."""
    with temporary_redis(free_port()) as redis, ExitStack() as stack:
        servers = [live.beside(REDIS_URL=redis) for _ in range(2)]
        for server in servers:
            server.start()
            stack.callback(server.stop)
            stack.callback(server.tidy)
        yield servers


def test_a_preview_sent_to_one_web_process_is_seen_on_another(
    pair: list[Installation], browsers: Browsers, owner: User
) -> None:
    one, other = pair
    one.person(owner).submit()
    machine = one.machine()
    page = browsers.open(f"{other.address}/", user=owner)
    go_live(page)
    machine.preview(machine.lease(), 0, png(96, 96, shade=90))
    expect(preview(page)).to_have_count(1)
    assert abs(colour(preview(page)) - 90) < 8
