"""What the Workspace loads; and, printed only, how long after a callback's answer a card has changed."""

from __future__ import annotations

import re
import statistics
import time

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from tests.browser.conftest import Browsers
from tests.browser.pages import cards, go_live
from tests.functional.callers import Machine
from tests.functional.installation import Installation

WATCH = """() => {
  window.changed = {};
  new MutationObserver(() => {
    for (const { id } of document.querySelectorAll('[data-phase="done"]')) window.changed[id] ??= Date.now();
  }).observe(document.getElementById("stacks"), {subtree: true, childList: true, attributes: true});
}"""

LOADED = r"""() => performance.getEntriesByType("resource").flatMap(({name, decodedBodySize}) => {
  const script = name.match(/\/js\/([\w-]+)(?:\.\w+)?\.js$/);
  return script ? [[script[1], decodedBodySize]] : [];
})"""


def test_the_scripts_that_the_workspace_loads_before_anything_is_done(
    live: Installation, browsers: Browsers, machine: Machine, owner: User, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also those that a module imports when it wants them, with a job in work and others that wait."""
    person = live.person(owner)
    for _ in range(4):
        person.submit(quantity=3)
    machine.lease()
    page = browsers.open(user=owner)
    go_live(page)
    page.wait_for_load_state("networkidle")
    loaded: dict[str, int] = dict(page.evaluate(LOADED))
    total = sum(loaded.values())
    with capsys.disabled():
        print(f"\nWorkspace, own JavaScript as loaded: {total / 1000:.1f} KB in {len(loaded)} modules")
    assert {"page", "workspace", "stacks"} <= loaded.keys()
    assert not loaded.keys() & {"references", "reorder", "focus", "menus", "lightbox"}
    assert total < 90_000
    with page.expect_response(re.compile(r"/js/reorder\b")), page.expect_response(re.compile(r"/js/focus\b")):
        page.locator(".grip").first.focus()


def test_from_the_callback_to_the_card(
    live: Installation, browsers: Browsers, machine: Machine, owner: User, capsys: pytest.CaptureFixture[str]
) -> None:
    person = live.person(owner)
    page = browsers.open(user=owner)
    go_live(page)
    page.evaluate(WATCH)
    sent: dict[str, float] = {}
    answered: dict[str, float] = {}
    for _ in range(2):
        person.submit(quantity=6)
        job = machine.lease()
        for slot in job["slots"]:
            asset = machine.delivered(job, slot["slot"])
            card = f"image-{slot['asset_id']}"
            sent[card] = time.time() * 1000
            answer = machine.report(job, asset, status="completed" if slot["slot"] == 5 else "processing")
            answered[card] = time.time() * 1000
            assert answer.json()["accepted"] == [slot["slot"]]
            expect(page.locator(f"#{card}")).to_have_attribute("data-phase", "done")
    expect(cards(page, "done")).to_have_count(12)
    changed: dict[str, float] = page.evaluate("window.changed")
    assert changed.keys() == answered.keys()
    with capsys.disabled():
        print()
        for name, since in (("callback answered", answered), ("callback sent", sent)):
            waits = sorted(changed[card] - since[card] for card in since)
            median, p95 = statistics.median(waits), statistics.quantiles(waits, n=20)[-1]
            print(f"{name} -> card changed, {len(waits)} times: median {median:.0f} ms, p95 {p95:.0f} ms")
