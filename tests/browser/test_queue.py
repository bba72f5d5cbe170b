"""A page full of work: what runs, what waits, what is finished, and what the reader looks at meanwhile."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from tests.browser.conftest import Browsers
from tests.browser.pages import cards, go_live, is_same_page, never_reloaded, stack, toast
from tests.functional.callers import Machine
from tests.functional.installation import Installation

SECTIONS = """() => Object.fromEntries([...document.querySelectorAll("#stacks > [data-section]")].map(
  (section) => [section.dataset.section, [...section.children].map((stack) => stack.id.slice(6))]))"""
WATCHED_SECONDS = 40


def sections(page: Page) -> dict[str, list[str]]:
    """The jobs in each section, as they stand there."""
    found: dict[str, list[str]] = page.evaluate(SECTIONS)
    return found


def requests_of(page: Page) -> list[str]:
    """Grows with every request from now on, when the page has asked for what it opens with."""
    expect(page.locator("#estimate")).to_contain_text(" · ")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    return asked


def scrolled(page: Page) -> float:
    return float(page.evaluate("scrollY"))


def top_of(page: Page, job: Any) -> float:
    box = stack(page, job).bounding_box()
    assert box
    return float(box["y"])


def test_what_runs_stays_on_the_page_under_thirty_that_wait(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    """Pitfall 36: the page fetched itself anew and removed what was not on its first page."""
    person = live.person(owner)
    running = person.submit(prompt="in work", quantity=3)
    work = machine.lease()
    waiting = [person.submit(prompt=f"waiting {number}") for number in range(30)]
    page = browsers.open(user=owner, viewport={"width": 1000, "height": 500})
    go_live(page)
    page.locator(".rest summary").click()
    page.mouse.wheel(0, 900)
    page.wait_for_function("scrollY > 800")
    where, asked = scrolled(page), requests_of(page)
    never_reloaded(page)

    until = time.monotonic() + WATCHED_SECONDS
    while time.monotonic() < until:
        machine.heartbeat(work, int(time.monotonic()) % 30, "sketching")
        page.wait_for_timeout(1000)
        assert sections(page) == {"running": [running], "waiting": waiting, "finished": []}
        assert scrolled(page) == where
    assert asked == []
    assert is_same_page(page)
    expect(stack(page, running)).to_contain_text("sketching")


def test_what_is_looked_at_stays_where_it_is_while_others_move(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    """A job goes from the queue to what runs to what is finished, by what is pushed."""
    person = live.person(owner)
    finished = [person.submit(prompt=f"finished {number}") for number in range(4)]
    for _ in finished:
        machine.finish()
    first, second, third = (person.submit(prompt=f"waiting {number}", quantity=3) for number in range(3))
    page = browsers.open(user=owner, viewport={"width": 1000, "height": 500})
    go_live(page)
    button = stack(page, finished[0]).get_by_role("link", name="More for this job")
    button.scroll_into_view_if_needed()
    button.focus()
    assert scrolled(page) > 0
    where, asked = top_of(page, finished[0]), requests_of(page)

    work = machine.lease()
    expect(stack(page, first)).to_have_attribute("data-section", "running")
    assert sections(page) == {"running": [first], "waiting": [second, third], "finished": finished[::-1]}
    assert top_of(page, finished[0]) == pytest.approx(where, abs=1)
    expect(stack(page, second).locator(".cards")).to_have_attribute("open", "")
    asked.clear()  # the pictures of what came into sight
    machine.deliver(work, 0, 1, 2, status="completed")
    expect(stack(page, first)).to_have_attribute("data-section", "finished")
    assert sections(page) == {"running": [], "waiting": [second, third], "finished": [first, *finished[::-1]]}
    assert top_of(page, finished[0]) == pytest.approx(where, abs=1)
    expect(button).to_be_focused()
    # And how long another job would take now, and what says how one ended.
    expected = ("/media/", "/workspace/forecast", "/static/js/outcomes")
    assert [url for url in asked if not any(path in url for path in expected)] == []

    fresh = browsers.open(user=owner)
    assert sections(fresh) == sections(page)


def test_places_in_the_queue_change_with_other_peoples_work(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    """No message comes of it: the server looks, and nothing is asked for."""
    assert machine.ask_for_work() is None  # so the server knows that it is there
    live.person().submit()
    mine = live.person(owner).submit()
    page = browsers.open(user=owner)
    go_live(page)
    expect(stack(page, mine).locator(".facts")).to_contain_text("number 2 in line")
    asked = requests_of(page)
    machine.lease()
    expect(stack(page, mine).locator(".facts")).to_contain_text("next in line")
    assert asked == []


def test_a_line_of_the_queue_opens_without_scripts(
    live: Installation, browsers: Browsers, owner: User
) -> None:
    person = live.person(owner)
    jobs = [person.submit(prompt=f"waiting {number}", quantity=3) for number in range(9)]
    page = browsers.open(user=owner, java_script_enabled=False)
    expect(cards(page, "waiting")).to_have_count(27)
    first, second, last = stack(page, jobs[0]), stack(page, jobs[1]), stack(page, jobs[8])
    expect(first.locator(".card").first).to_be_visible()
    expect(second.locator(".card").first).to_be_hidden()
    second.locator("summary").click()
    expect(second.locator(".card").first).to_be_visible()
    expect(last).to_be_hidden()
    page.get_by_text("Show all that wait").click()
    expect(last).to_be_visible()
    page.get_by_role("button", name="Cancel all 9").click()
    expect(toast(page)).to_contain_text("Cancelled 9.")
    assert "cancelled" in page.locator("#stacks").inner_text()


def test_clearing_a_page_with_more_below_is_undone(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    """Pitfall 39: the page forgot where it ended, and nothing came back on it."""
    person = live.person(owner)
    jobs = [person.submit(prompt=f"finished {number}") for number in range(22)]
    for _ in jobs:
        machine.finish()
    newest = jobs[:1:-1]
    page = browsers.open(user=owner)
    go_live(page)
    assert sections(page)["finished"] == newest
    page.get_by_role("button", name="Clear finished").click()
    expect(page.locator(".stack")).to_have_count(0)
    toast(page).get_by_role("button", name="Undo").click()
    expect(page.locator(".stack")).to_have_count(20)
    assert sections(page)["finished"] == newest


def test_only_what_is_to_be_reviewed_comes_to_its_page(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    person = live.person(owner)
    older, plain, newer = (person.submit(review=review) for review in (True, False, True))
    for _ in range(3):
        machine.finish()
    page = browsers.open("/?show=review&cursor=", user=owner)
    go_live(page)
    other = browsers.open(user=owner)
    go_live(other)
    stack(other, plain).locator("[data-open]").click()
    other.keyboard.press("f")
    expect(stack(other, plain).get_by_text("Favourite", exact=True)).to_have_count(1)
    other.keyboard.press("Escape")
    stack(other, older).get_by_role("button", name="Discard").first.click()
    expect(stack(page, older).locator(".card")).to_have_count(0)
    assert sections(page)["finished"] == [newer, older]
    toast(other).get_by_role("button", name="Undo").click()
    expect(stack(page, older).locator(".card")).to_have_count(1)
