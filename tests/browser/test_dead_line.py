"""A line that is dead without having been closed: kind B, a promise in words that nothing checks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Browsers
from tests.browser.pages import go_live, is_same_page, make, never_reloaded, stack, write
from tests.functional.callers import Machine
from tests.functional.installation import Installation
from tests.functional.programs import eventually
from tests.servers.line import Line

OFFLINE_MS = 35_000
CARD_MS = 2_000


@pytest.fixture
def line(live: Installation) -> Iterator[Line]:
    with closing(Line(live.port)) as line:
        yield line


@pytest.fixture
def page(line: Line, browsers: Browsers, owner: User) -> Page:
    browsers.network_is_cut = True
    page = browsers.open(f"{line.address}/", user=owner)
    go_live(page)
    never_reloaded(page)
    return page


def state(page: Page, wanted: str, within_ms: float) -> None:
    expect(page.locator("#live")).to_have_attribute("data-state", wanted, timeout=within_ms)


def test_a_dead_line_is_said_and_a_press_shows_its_one_job(
    live: Installation, line: Line, page: Page, machine: Machine, owner: User
) -> None:
    """Pitfall 37: the dot said "live" for two minutes; three presses showed no card and made three jobs."""
    line.mute_sockets()
    state(page, "offline", OFFLINE_MS)
    assert page.locator("#live").inner_text() == "offline"

    write(page, "a press while nobody hears")
    make(page)
    expect(page.locator(".stack")).to_have_count(1, timeout=CARD_MS)
    expect(page.locator(".stack h2")).to_have_text("a press while nobody hears")
    assert owner.jobs.count() == 1
    expect(page.locator("#work")).to_contain_text("1 waiting", timeout=CARD_MS)

    other = live.person(owner).submit(prompt="from another browser")
    line.unmute()
    state(page, "live", OFFLINE_MS)
    expect(stack(page, other)).to_be_visible()
    assert is_same_page(page)


def test_a_new_socket_takes_the_place_of_a_dead_one(
    live: Installation, line: Line, page: Page, owner: User
) -> None:
    """The dead one says nothing, so only the page's own watch can tell; what was missed is caught up."""
    line.mute_sockets()
    line.unmute()
    missed = live.person(owner).submit(prompt="missed")
    expect(stack(page, missed)).to_be_visible(timeout=OFFLINE_MS)
    state(page, "live", CARD_MS)
    assert page.evaluate("window.sockets.filter((one) => one.readyState === WebSocket.OPEN).length") == 1
    assert is_same_page(page)


def test_a_page_that_wakes_catches_up_at_once(
    live: Installation, line: Line, page: Page, owner: User
) -> None:
    line.mute_sockets()
    line.unmute()
    missed = live.person(owner).submit(prompt="missed")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(stack(page, missed)).to_be_visible(timeout=8_000)
    assert is_same_page(page)


def test_a_laptop_that_slept_catches_up_at_once(
    live: Installation, line: Line, browsers: Browsers, owner: User
) -> None:
    """Nothing tells a page that its machine slept, but a clock that is ahead."""
    browsers.network_is_cut = True
    page = browsers.context(owner).new_page()
    page.clock.install()
    page.goto(f"{line.address}/")
    go_live(page)
    never_reloaded(page)
    line.mute_sockets()
    line.unmute()
    missed = live.person(owner).submit(prompt="missed")
    page.clock.fast_forward(3_600_000)
    expect(stack(page, missed)).to_be_visible(timeout=8_000)
    assert is_same_page(page)


def test_an_action_finds_out_that_the_line_is_dead(
    live: Installation, line: Line, page: Page, machine: Machine, owner: User
) -> None:
    job = live.person(owner).submit()
    expect(stack(page, job)).to_be_visible()
    line.mute_sockets()
    line.unmute()
    stack(page, job).get_by_role("button", name="Cancel").click()
    expect(stack(page, job)).to_have_attribute("data-status", "cancelled", timeout=8_000)


def test_a_quiet_line_that_lives_stays(page: Page) -> None:
    """The server's heartbeat is enough: nobody is told "offline", and no second socket is opened."""
    page.evaluate(
        "new MutationObserver(() => { window.changed = true; })"
        ".observe(document.getElementById('live'), {attributes: true})"
    )
    page.wait_for_timeout(32_000)
    assert page.evaluate("[window.changed ?? false, window.sockets.length]") == [False, 1]


def test_presses_while_one_waits_for_its_answer_are_not_taken(page: Page, owner: User) -> None:
    held: list[Route] = []
    page.route("**/workspace/submit", lambda route: held.append(route))
    write(page, "once")
    for _ in range(3):
        make(page)
    eventually(lambda: page.evaluate("1") and bool(held))
    held[0].continue_()
    expect(page.locator(".stack")).to_have_count(1)
    assert (len(held), owner.jobs.count()) == (1, 1)


def test_a_press_that_was_not_answered_is_the_same_press_after_a_reload(page: Page, owner: User) -> None:
    """Pitfall 15: the job was made, its answer was lost, and the page was loaded again."""
    page.route("**/workspace/submit", lambda route: (route.fetch(), route.abort()))
    write(page, "once")
    make(page)
    expect(page.locator("[data-toast]")).to_contain_text("The server did not answer")
    assert owner.jobs.count() == 1
    page.unroute("**/workspace/submit")
    page.reload()
    expect(page.get_by_role("textbox", name="Prompt", exact=True)).to_have_value("once")
    make(page)
    expect(page.get_by_role("button", name="Make")).not_to_have_attribute("aria-busy", "true")
    expect(page.locator(".stack")).to_have_count(1)
    assert owner.jobs.count() == 1
    make(page)
    expect(page.locator(".stack")).to_have_count(2)
