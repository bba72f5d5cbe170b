"""Times in the reader's zone and language."""

from __future__ import annotations

from datetime import UTC, datetime

from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from generation.models import Image, Job
from tests.browser.conftest import Browsers
from tests.browser.pages import go_live, stack
from tests.functional.callers import Machine
from tests.functional.installation import Installation

LATE = datetime(2024, 11, 12, 23, 30, tzinfo=UTC)
AUCKLAND = {"timezone_id": "Pacific/Auckland", "locale": "en-GB"}
WATCH = """
() => {
  window.seen = [];
  const tell = () => document.querySelectorAll("time").forEach((time) => window.seen.push(time.textContent));
  new MutationObserver(tell).observe(document.body, { subtree: true, childList: true, characterData: true });
}
"""


def headings(page: Page) -> list[str]:
    return page.locator(".day h2").all_text_contents()


def test_a_stack_tells_the_readers_time_also_after_a_push(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    job = live.person(owner).submit()
    Job.objects.filter(pk=job).update(created_at=LATE)
    here, plain = browsers.open(user=owner, **AUCKLAND), browsers.open(user=owner, java_script_enabled=False)
    expect(stack(plain, job).locator("time")).to_have_text("12 Nov 2024, 23:30 UTC")
    go_live(here)
    expect(stack(here, job).locator("time")).to_have_text("13 Nov 2024, 12:30")

    here.evaluate(WATCH)
    machine.finish()
    expect(stack(here, job).locator('[data-phase="done"]')).to_have_count(1)

    assert set(here.evaluate("window.seen")) == {"13 Nov 2024, 12:30"}, "never the text of the server"


def test_days_of_the_library_have_the_readers_words(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    for _ in range(2):
        live.person(owner).submit()
        machine.finish()
    Image.objects.filter(pk=Image.objects.filter(owner=owner)[0].pk).update(saved_at=LATE)
    page = browsers.open("/library/", user=owner, timezone_id="America/New_York", locale="de-DE")
    go_live(page)
    assert headings(page) == ["Heute", "12. November 2024"]

    page.locator(".day").first.locator("[data-tile]").hover()
    page.locator(".day").first.get_by_role("button", name="Discard").click()
    expect(page.locator(".day")).to_have_count(1)
    live.person(owner).submit()
    machine.finish()
    expect(page.locator(".day")).to_have_count(2)
    assert headings(page) == ["Heute", "12. November 2024"]
