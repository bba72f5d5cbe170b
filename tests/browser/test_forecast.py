"""Before Make: how long it would take, in words that follow the choice and the queue."""

from __future__ import annotations

import re

from django.contrib.auth.models import User
from playwright.sync_api import FilePayload, Page, Request, expect

from tests.browser.conftest import Browsers
from tests.browser.pages import choose, go_live, make, write
from tests.factories import make_job, png
from tests.functional.callers import Machine
from tests.functional.installation import Installation

# Faster than a person, so that nothing is asked between.
TOGGLE = """values => {
  for (const value of values) document.querySelector(`[name="quality"][value="${value}"]`).click();
}"""


def estimate(page: Page, text: str) -> None:
    """The line beside Make; how long it is depends on what the machines of other tests needed."""
    expect(page.locator("#estimate")).to_have_text(re.compile(rf"^SDXL fast · {text}$"))


def test_it_says_how_long_it_would_take_before_make(
    browsers: Browsers, live: Installation, owner: User, machine: Machine
) -> None:
    page = browsers.open(user=owner)
    go_live(page)
    estimate(page, "would wait: no worker for it is running")

    machine.ask_for_work()
    choose(page, "quantity", "6")
    estimate(page, "starts at once · about .+")

    make_job(live.user(), "video_fast")
    video = machine.lease()
    choose(page, "quantity", "3")
    estimate(page, "next in line · about .+")

    write(page, "a heron")
    make(page)
    expect(page.locator(".facts")).to_contain_text("next in line, done in about")
    estimate(page, "1 ahead of you · about .+")

    machine.deliver(video, 0, status="completed")
    machine.finish()
    choose(page, "quantity", "1")
    estimate(page, "starts at once · about .+")


def test_a_choice_that_is_taken_back_is_answered_still(
    browsers: Browsers, owner: User, machine: Machine
) -> None:
    machine.ask_for_work()
    page = browsers.open(user=owner)
    go_live(page)
    estimate(page, "starts at once · about .+")
    page.evaluate(TOGGLE, ["high", "fast"])
    estimate(page, "starts at once · about .+")


def test_a_reference_that_no_worker_can_use_is_said_beside_it(
    browsers: Browsers, owner: User, machine: Machine
) -> None:
    machine.ask_for_work()
    page = browsers.open(user=owner)
    go_live(page)
    picture: FilePayload = {"name": "a.png", "mimeType": "image/png", "buffer": png(shade=3)}
    page.locator("#pick").set_input_files([picture])
    expect(page.locator("#unserved")).to_be_visible()
    estimate(page, "would wait: no worker for it is running")

    machine.ask_for_work(pools=["sdxl_image_fast+style"])
    choose(page, "quantity", "3")
    expect(page.locator("#unserved")).to_be_hidden()
    estimate(page, "starts at once · about .+")


def test_keys_ask_for_nothing(browsers: Browsers, owner: User) -> None:
    page = browsers.open(user=owner)
    go_live(page)
    estimate(page, "would wait.+")
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request))
    write(page, "a long prompt, key by key")
    page.locator("#id_prompt").press_sequentially(" and more of it", delay=30)
    page.wait_for_timeout(600)
    questions = [request.url for request in asked if "/static/" not in request.url]
    assert len(questions) <= 1, "one where the last answer is old by now"
