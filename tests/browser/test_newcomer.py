"""The whole of it, once, as somebody meets it who has just started the server."""

from __future__ import annotations

import hashlib
import re

from django.contrib.auth.models import User
from playwright.sync_api import expect

from accounts.sign_in_links import sign_in_path
from tests.browser.conftest import Browsers
from tests.browser.pages import cards, choose, go_live, is_same_page, make, never_reloaded, newest, write
from tests.functional.installation import Installation
from tests.functional.programs import eventually

PACE_S = 0.4
PROMPT = "a lighthouse over a stormy sea"


def test_from_the_sign_in_link_to_the_library(live: Installation, browsers: Browsers, owner: User) -> None:
    """Pitfalls 1, 23 and 30: six cards from the start, filled one by one, each opening its own picture."""
    page = browsers.context().new_page()
    page.goto(sign_in_path(owner))
    page.get_by_role("button", name=re.compile("Sign in as")).click()
    expect(page.get_by_role("heading", name="What do you want to see?")).to_be_visible()
    go_live(page)
    never_reloaded(page)

    write(page, PROMPT)
    choose(page, "quantity", "6")
    make(page)
    expect(cards(page)).to_have_count(6)
    assert cards(page, "done").count() == 0

    page.evaluate(
        """() => {
          window.seen = new Set();
          new MutationObserver(() => window.seen.add(document.querySelectorAll('[data-phase="done"]').length))
            .observe(document.getElementById("stacks"), {subtree: true, childList: true, attributes: true});
        }"""
    )
    live.worker(pace=PACE_S)
    expect(cards(page, "done")).to_have_count(6)
    assert page.evaluate("[1, 2, 3, 4, 5, 6].filter((count) => window.seen.has(count)).length") >= 4
    assert is_same_page(page)

    choose(page, "media", "video")
    make(page)
    expect(page.locator(".stack")).to_have_count(2)
    expect(page.locator(".stack").first.locator('[data-phase="done"] video')).to_be_visible(timeout=240_000)
    assert is_same_page(page)

    browsers.network_is_cut = True
    live.restart()
    go_live(page)
    browsers.network_is_cut = False
    page.get_by_role("link", name="Library").click()
    expect(page.locator("[data-tile]")).to_have_count(7)
    go_live(page)

    # The viewer: a video lies before the pictures, and still each tile opens what it shows.
    library = page.url
    image_tiles = page.locator('[data-tile][data-media="image"]')
    for number in (0, 3, 5):
        tile = image_tiles.nth(number)
        tile.locator("[data-open]").click()
        expect(page.locator("#lightbox [data-stage] img")).to_have_attribute(
            "src", tile.get_attribute("data-file") or ""
        )
        page.keyboard.press("Escape")
        expect(page.locator("#lightbox")).to_be_hidden()
        expect(page).to_have_url(library)  # only then has the viewer put the focus where it belongs
        expect(tile.locator("[data-open]")).to_be_focused()
    page.locator("[data-open]").first.press("Enter")
    files = [tile.get_attribute("data-file") for tile in page.locator("[data-tile]").all()]
    stage = page.locator("#lightbox [data-stage] > *")
    expect(stage).to_have_attribute("src", files[0] or "")
    for key, number in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("End", 6), ("Home", 0)):
        page.keyboard.press(key)
        expect(stage).to_have_attribute("src", files[number] or "")
    eventually(lambda: page.locator("#lightbox video").evaluate("(video) => video.videoWidth === 480"))
    page.keyboard.press("Escape")

    # The download: its name tells what it is, its bytes are the result's.
    image = newest(owner).__class__.objects.of(owner.pk).order_by("id")[0].slots[2]
    tile = page.locator(f"#tile-image-{image.pk}")
    tile.hover()
    with page.expect_download() as begun:
        tile.locator("[data-download]").click()
    assert begun.value.suggested_filename == f"a-lighthouse-over-a-stormy-sea-{image.seed}-3.png"
    assert hashlib.sha256(begun.value.path().read_bytes()).hexdigest() == image.sha256
