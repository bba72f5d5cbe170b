"""What a person hears and sees who does not look at the page all the time."""

from __future__ import annotations

import re

from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from tests.browser.conftest import Browsers
from tests.browser.pages import choose, go_live, make, stack, write
from tests.functional.callers import Machine, failure
from tests.functional.installation import Installation
from tests.functional.programs import eventually

LISTEN = """
addEventListener("DOMContentLoaded", () => {
  window.said = [];
  const region = document.getElementById("announcements");
  const hear = () => region.textContent && window.said.push(region.textContent);
  new MutationObserver(hear).observe(region, {childList: true});
});
window.notified = [];
window.Notification = class {
  static permission = "default";
  static async requestPermission() { return (Notification.permission = "granted"); }
  constructor(title, {body}) { window.notified.push([title, body]); }
  addEventListener() {}
};
"""
HIDE = """(hidden) => {
  const value = hidden ? "hidden" : "visible";
  Object.defineProperty(document, "visibilityState", {value, configurable: true});
  document.dispatchEvent(new Event("visibilitychange"));
}"""
REGIONS = "[role=status], [role=log], [aria-live]"


def listening(browsers: Browsers, owner: User) -> Page:
    context = browsers.context(owner)
    context.add_init_script(LISTEN)
    page = context.new_page()
    page.goto("/")
    go_live(page)
    return page


def heard(page: Page) -> str:
    found: list[str] = page.evaluate("window.said")
    return re.sub("[\u2068\u2069]", "", " ".join(found))


def test_it_is_said_what_a_person_would_say(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    """Queued, done, failed, no connection: once each, and no percentage; the tree of the page agrees."""
    machine.ask_for_work()
    page = listening(browsers, owner)
    assert page.locator(REGIONS).evaluate_all("all => all.filter(it => it.checkVisibility()).length") == 1
    expect(page.get_by_text("1 worker running")).to_be_visible()
    choose(page, "quantity", "3")
    write(page, "a lighthouse")
    make(page)
    expect(page.locator(".stack")).to_have_count(1)
    work = machine.lease()
    machine.heartbeat(work, 20, "sketching", slot=0)
    machine.heartbeat(work, 60, "sketching", slot=0)
    expect(page.locator(".card .wait").first).to_contain_text("sketching")
    expect(stack(page, work["job_id"])).to_match_aria_snapshot("""
        - article "a lighthouse":
          - heading "a lighthouse" [level=2]
          - paragraph: /SDXL fast · 0 of 3, about \\d+ s left/
          - button "Cancel"
          - link "More for this job"
          - group:
            - figure /\\d+ % sketching/
            - figure "2 of 3"
            - figure "3 of 3"
    """)
    machine.deliver(work, 0, 1, 2, status="completed")
    expect(stack(page, work["job_id"])).to_match_aria_snapshot("""
        - article "a lighthouse":
          - heading "a lighthouse" [level=2]
          - paragraph: SDXL fast · 3 of 3
          - link "More for this job"
          - group:
            - figure:
              - link "a lighthouse, 1 of 3"
    """)
    page.evaluate(HIDE, True)
    live.person(owner).submit(prompt="a fox")
    work = machine.lease()
    expect(stack(page, work["job_id"])).to_have_attribute("data-status", "processing")
    machine.report(work, failure(work, 0), status="completed")
    expect(stack(page, work["job_id"])).to_match_aria_snapshot("""
        - article "a fox":
          - paragraph: SDXL fast · failed
          - button "Try again"
          - group:
            - figure /Failed The GPU ran out of memory/
    """)
    expect(page).to_have_title("(1) Workspace · OurVidz")
    page.evaluate(HIDE, False)
    assert page.title() == "Workspace · OurVidz"
    browsers.network_is_cut = True
    page.context.set_offline(True)
    expect(page.locator("#live")).to_have_text("offline")
    page.context.set_offline(False)
    go_live(page)
    eventually(lambda: "again" in heard(page), heard(page))
    assert re.fullmatch(
        r"Queued, next in line, done in about \d+ s\. 3 images done: a lighthouse\. "
        r"Failed: The GPU ran out of memory: a fox\. "
        r"No connection\. Work goes on at the server, and this page catches up by itself\. Connected again\.",
        heard(page),
    )


def test_a_notification_comes_only_where_it_was_asked_for(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    page = listening(browsers, owner)
    person = live.person(owner)

    def finished_out_of_sight(prompt: str) -> None:
        job = person.submit(prompt=prompt)
        machine_work = machine.lease()
        expect(stack(page, job)).to_have_attribute("data-status", "processing")
        page.evaluate(HIDE, True)
        machine.deliver(machine_work, 0, status="completed")
        expect(stack(page, job)).to_have_attribute("data-status", "completed")
        expect(page).to_have_title(re.compile(r"^\(1\) "))
        page.evaluate(HIDE, False)

    finished_out_of_sight("unasked")
    page.get_by_role("button", name="Account").click()
    page.get_by_role("button", name="Notify me").click()
    expect(page.get_by_role("button", name="Notify me")).to_have_attribute("aria-pressed", "true")
    finished_out_of_sight("asked for")
    eventually(lambda: page.evaluate("window.notified.length") == 1)
    assert page.evaluate("window.notified") == [["1 image done", "asked for"]]
