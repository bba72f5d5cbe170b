"""Nothing jumps while a page loads."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from tests.browser.conftest import Browsers
from tests.browser.pages import go_live
from tests.functional.callers import Machine
from tests.functional.installation import Installation

MOST = 0.02
LEAST = 0.002  # what shows that the socket is live moves as much
# What was moved, and how far, as Chromium adds it up for Cumulative Layout Shift.
SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    const moved = entry.sources.map(({node}) => node?.id || node?.className || node?.nodeName);
    window.shifts.push([entry.value, moved.join(", ")]);
  }
}).observe({type: "layout-shift", buffered: true});
"""
SETTLED_MS = 1500
SIZES = {"phone": {"width": 390, "height": 844}, "desktop": {"width": 1440, "height": 900}}


@pytest.mark.parametrize("size", SIZES)
def test_nothing_jumps_while_a_page_loads(
    live: Installation, browsers: Browsers, machine: Machine, owner: User, size: Any
) -> None:
    """The composer remembers what was set under More, which the script folds away, and what a video lacks."""
    person = live.person(owner)
    set_before = {"negative_prompt": "fog, text", "seed": "0", "review": "on", "quantity": "3"}
    for _ in range(3):
        person.compose("a lighthouse", **set_before)
        machine.finish()
    person.compose("a lighthouse", **set_before)
    context = browsers.context(viewport=SIZES[size])
    session = {"name": "sessionid", "value": person.session, "url": live.address}
    context.add_cookies([session])  # type: ignore[list-item] # a plain dict will do
    context.add_init_script(SHIFTS)
    page = context.new_page()
    for path in ("/", "/library/", "/library/trash/", "/account/"):
        page.goto(path)
        if path in ("/", "/library/"):
            go_live(page)
        page.wait_for_timeout(SETTLED_MS)
        shifts = page.evaluate("window.shifts")
        assert sum(value for value, _ in shifts) < MOST, (path, shifts)


def test_nothing_jumps_below_a_day_of_the_library(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    """One that is higher than is guessed for those out of sight."""
    person = live.person(owner)
    for _ in range(5):
        person.submit(quantity=6, aspect="1:1")
        machine.finish()
    context = browsers.context(owner, viewport=SIZES["desktop"])
    context.add_init_script(SHIFTS)
    page = context.new_page()
    page.goto("/library/")
    go_live(page)
    page.wait_for_timeout(SETTLED_MS)
    shifts = page.evaluate("window.shifts")
    assert sum(value for value, _ in shifts) < LEAST, shifts
