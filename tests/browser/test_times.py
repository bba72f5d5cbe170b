"""Times in the reader's zone and language."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

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


def test_a_jobs_details_tell_the_readers_time(live: Installation, browsers: Browsers, owner: User) -> None:
    job = live.person(owner).submit()
    Job.objects.filter(pk=job).update(created_at=LATE)
    here, plain = browsers.open(user=owner, **AUCKLAND), browsers.open(user=owner, java_script_enabled=False)
    for page in (plain, here):
        if page is here:
            go_live(here)
            here.evaluate(WATCH)
        stack(page, job).get_by_role("link", name="More for this job").click()
        page.locator("summary", has_text="Details").click()
    expect(plain.locator("time")).to_have_text("12 Nov 2024, 23:30 UTC")
    time = here.locator("time")
    expect(time).to_have_text("13 Nov 2024, 12:30")
    expect(time).to_have_attribute("title", re.compile("^Wednesday,? 13 November 2024 at 12:30:00"))
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
    assert page.locator(".day time").last.get_attribute("title") == "12. November 2024"

    page.locator(".day").first.locator("[data-tile]").hover()
    page.locator(".day").first.get_by_role("button", name="Discard").click()
    expect(page.locator(".day")).to_have_count(1)
    page.mouse.move(5, 5)  # what is new moves nothing under the pointer
    live.person(owner).submit()
    machine.finish()
    expect(page.locator(".day")).to_have_count(2)
    assert headings(page) == ["Heute", "12. November 2024"]


def saved(live: Installation, machine: Machine, owner: User, *moments: datetime) -> None:
    """An image in the Library of each moment."""
    for moment in moments:
        job = live.person(owner).submit()
        machine.finish()
        Image.objects.filter(job__pk=job).update(saved_at=moment)


def test_a_day_is_the_readers_also_at_the_first_visit_and_for_what_is_pushed(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    """A browser in Tokyo saw yesterday: at 23:30 UTC it is the next morning there."""
    saved(live, machine, owner, LATE, LATE - timedelta(hours=12))
    page = browsers.open("/library/", user=owner, timezone_id="Asia/Tokyo", locale="en-GB")
    go_live(page)
    assert headings(page) == ["13 November 2024", "12 November 2024"]
    assert "timezone=Asia/Tokyo" in page.evaluate("document.cookie")

    page.reload()  # now the server knows
    days = page.locator(".day").evaluate_all("(days) => days.map((day) => day.dataset.day)")
    assert days == ["2024-11-13", "2024-11-12"]
    go_live(page)
    live.person(owner).submit()
    machine.finish()
    expect(page.locator(".day")).to_have_count(3)
    assert headings(page) == ["Today", "13 November 2024", "12 November 2024"]


def test_the_server_groups_by_the_zone_that_it_was_told(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    """So that nothing moves when the page comes up. Without a script there is no cookie: days are UTC's."""
    saved(live, machine, owner, LATE)
    plain = browsers.context(owner, java_script_enabled=False)
    page = plain.new_page()
    page.goto("/library/")
    assert headings(page) == ["12 November 2024"]
    plain.add_cookies([{"name": "timezone", "value": "Asia/Tokyo", "url": live.address}])
    page.reload()
    assert headings(page) == ["13 November 2024"]


def test_today_is_yesterday_after_midnight_without_a_reload(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    zone = ZoneInfo("Asia/Tokyo")
    evening = datetime(2031, 3, 5, 23, 58, tzinfo=zone)
    saved(live, machine, owner, evening, evening - timedelta(days=1))
    page = browsers.context(owner, timezone_id="Asia/Tokyo", locale="en-GB").new_page()
    page.clock.install(time=evening)
    page.goto("/library/")
    expect(page.locator(".day h2").first).to_have_text("Today")
    assert headings(page) == ["Today", "Yesterday"]
    page.clock.fast_forward(150_000)
    expect(page.locator(".day h2").first).to_have_text("Yesterday")
    assert headings(page) == ["Yesterday", "4 March 2031"]
