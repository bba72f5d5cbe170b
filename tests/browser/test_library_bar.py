"""The Library's bar: slim at every width, whole by keyboard and without a script, still while it arrives."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from generation.access.projects import create_project
from generation.models import Project
from tests.acting import user_actor
from tests.browser.conftest import Browsers
from tests.browser.pages import go_live, toast
from tests.browser.test_look import PHONE, SIDEWAYS, assert_fits_fingers
from tests.browser.test_stability import LEAST, SHIFTS
from tests.functional.callers import Machine
from tests.functional.installation import Installation

LONG_NAME = "Northern light over a very long fjord, the second try"
IN_FORCE = "media=image&rating=1&favourite=1&shape=portrait&job_type=sdxl_image_fast"
# The upper edges of what is seen of the bar.
ROWS = """new Set([...document.querySelectorAll("#filters > *, .facets > *")]
  .filter((it) => it.checkVisibility() && it.matches(":not([popover], .facets)"))
  .map((it) => Math.round(it.getBoundingClientRect().top))).size"""
# The selects that have less room than what they say takes.
CUT = """[...document.querySelectorAll(".facets select")].filter((it) => {
  const width = it.getBoundingClientRect().width;
  it.style.cssText = "flex: none; max-width: none";
  const whole = it.getBoundingClientRect().width;
  it.style.cssText = "";
  return width + 0.5 < whole;
}).map((it) => it.selectedOptions[0].text)"""
SLOW = {"offline": False, "latency": 20, "downloadThroughput": 30_000, "uploadThroughput": 30_000}


@pytest.fixture
def project(owner: User) -> Project:
    return create_project(owner_id=owner.pk, actor=user_actor(owner.pk), name=LONG_NAME)


@pytest.mark.parametrize(("width", "most"), [(1440, 1), (1280, 1), (1024, 1), (820, 2), (390, 2), (320, 2)])
def test_the_bar_has_one_row_and_two_on_a_phone(
    browsers: Browsers, owner: User, machine: Machine, project: Project, width: int, most: int
) -> None:
    viewport = {"width": width, "height": 800}
    options: dict[str, Any] = {**PHONE, "viewport": viewport} if width < 1024 else {"viewport": viewport}
    page = browsers.context(owner, **options).new_page()
    for query in ("", f"project={project.pk}", f"q=lighthouse&project={project.pk}&{IN_FORCE}"):
        page.goto(f"/library/?{query}")
        assert page.evaluate(ROWS) <= most, (width, query)
        assert page.evaluate(SIDEWAYS) <= 0, (width, query)
        search = page.get_by_role("searchbox").bounding_box()
        assert search
        assert search["width"] >= 100
        if width < 1024:
            assert_fits_fingers(page)


@pytest.mark.parametrize("width", [1440, 1280, 1024])
def test_no_choice_of_the_bar_is_cut_short(
    live: Installation, browsers: Browsers, owner: User, machine: Machine, project: Project, width: int
) -> None:
    """What a select says is its label. The name of a project alone has an end somewhere."""
    live.person(owner).submit(quantity=3, project=str(project.pk))
    machine.finish()
    page = browsers.context(owner, viewport={"width": width, "height": 800}).new_page()
    for query, cut in (("", []), ("media=image", []), (f"project={project.pk}", [LONG_NAME])):
        page.goto(f"/library/?{query}")
        expect(page.get_by_role("button", name="Select", exact=True)).to_be_visible()
        assert page.evaluate(CUT) == cut
        assert page.evaluate(ROWS) == 1
        assert page.locator(".facets").evaluate("(it) => it.scrollWidth - it.clientWidth") <= 0


def test_more_filters_are_asked_for_together(browsers: Browsers, owner: User) -> None:
    """By keyboard: Escape leads back to the button, and nothing is asked before Show."""
    page = browsers.open("/library/", user=owner)
    button = page.get_by_role("button", name="More filters")
    button.press("Enter")
    panel = page.get_by_role("group", name="More filters")
    expect(panel).to_be_visible()
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(button).to_be_focused()
    button.press("Enter")
    page.keyboard.press("Tab")
    expect(panel.get_by_label("Job type")).to_be_focused()
    panel.get_by_label("Job type").select_option("SDXL fast")
    panel.get_by_label("Shape").select_option("Portrait")
    panel.get_by_label("Seed").press_sequentially("42")
    assert page.url.endswith("/library/")
    panel.get_by_role("button", name="Show").press("Enter")
    page.wait_for_url("**/library/?*")
    for words in ("SDXL fast", "Portrait", "Seed 42"):
        expect(page.get_by_role("link", name=f"Without {words}")).to_be_visible()


def test_the_bar_does_all_without_a_script(browsers: Browsers, owner: User) -> None:
    page = browsers.context(owner, java_script_enabled=False).new_page()
    page.goto("/library/")
    page.get_by_label("Kind").select_option("Videos")
    page.get_by_role("button", name="More filters").click()
    page.get_by_label("Shape").select_option("Square")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**shape=square**")
    assert "media=video" in page.url
    page.get_by_label("Rating", exact=True).select_option("3")
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url("**rating=3**")
    page.get_by_role("button", name="Save this search").click()
    page.get_by_label("Name").fill("Square ones")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("link", name="Square ones")).to_be_visible()
    page.get_by_role("button", name="More of the Library").click()
    page.get_by_role("link", name="Trash").click()
    page.wait_for_url("**/library/trash/")


def test_nothing_of_the_bar_jumps_while_it_arrives(
    live: Installation, browsers: Browsers, machine: Machine, owner: User, project: Project
) -> None:
    """A page that comes in pieces is drawn in pieces."""
    live.person(owner).submit(quantity=6)
    machine.finish()
    context = browsers.context(owner, **PHONE)
    context.add_init_script(SHIFTS)
    page = context.new_page()
    page.goto("/library/")  # style sheets and scripts are kept
    go_live(page)
    line = context.new_cdp_session(page)
    line.send("Network.emulateNetworkConditions", SLOW)
    for query in ("", f"project={project.pk}&{IN_FORCE.replace('&favourite=1', '')}"):
        page.goto(f"/library/?{query}")
        page.wait_for_timeout(500)
        shifts = page.evaluate("window.shifts")
        assert sum(value for value, _ in shifts) < LEAST, (query, shifts)


def test_back_brings_no_filter_that_is_not_in_force(browsers: Browsers, owner: User) -> None:
    """Chromium fills a form in as it was left; and a page that it kept is the form as it was left."""
    page = browsers.open("/library/", user=owner)
    kind = page.get_by_label("Kind")
    kind.press("v")
    page.wait_for_url(re.compile(r"/library/\?media=video$"))
    page.go_back()
    page.wait_for_url(re.compile(r"/library/$"))
    expect(kind).to_have_value("")
    page.get_by_title("Favourites").click()
    page.wait_for_url(re.compile(r"/library/\?favourite=1$"))
    kind.evaluate("(select) => { select.value = 'image'; }")
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    expect(kind).to_have_value("")
    expect(page.get_by_label("Favourites")).to_be_checked()


def test_back_shows_the_size_of_the_tiles_that_is_in_force(
    live: Installation, browsers: Browsers, owner: User, machine: Machine
) -> None:
    """It was changed in the trash meanwhile."""
    live.person(owner).submit(quantity=3)
    machine.finish()
    page = browsers.open("/library/", user=owner)
    go_live(page)
    grid = page.locator("#grid")
    page.get_by_title("Small tiles").click()
    expect(grid).to_have_attribute("data-density", "small")
    page.goto("/library/trash/")
    page.get_by_title("Large tiles").click()
    expect(grid).to_have_attribute("data-density", "large")
    page.go_back()
    expect(page).to_have_url(re.compile(r"/library/$"))
    expect(grid).to_have_attribute("data-density", "large")
    expect(page.get_by_role("radio", name="Large")).to_be_checked()


def test_no_way_of_asking_puts_empty_fields_into_the_address(browsers: Browsers, owner: User) -> None:
    page = browsers.open("/library/", user=owner)
    page.get_by_role("searchbox").press_sequentially("castle")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/library/\?q=castle$"))
    page.get_by_role("button", name="More filters").click()
    page.get_by_label("Shape").select_option("Square")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url(re.compile(r"/library/\?q=castle&shape=square$"))
    page.get_by_label("Kind").press("i")
    page.wait_for_url(re.compile(r"/library/\?q=castle&shape=square&media=image$"))


def test_the_number_of_results_is_that_of_now(
    live: Installation, browsers: Browsers, owner: User, machine: Machine
) -> None:
    """Pitfall 27: what is done here, in another tab, and what was made meanwhile."""
    live.person(owner).submit(quantity=3)
    machine.finish()
    context = browsers.context(owner)
    here, there = context.new_page(), context.new_page()
    for page, address in ((here, "/library/?media=image"), (there, "/library/")):
        page.goto(address)
        go_live(page)
    number = here.locator("#count")
    expect(number).to_have_text("3 results")
    here.locator("[data-tile]").first.hover()
    here.locator("[data-tile]").first.get_by_role("button", name="Discard").click()
    expect(number).to_have_text("2 results")
    there.bring_to_front()
    expect(there.locator("[data-tile]")).to_have_count(2)
    there.keyboard.press("Control+a")
    there.locator("[data-tick]").first.click()
    there.get_by_role("button", name="Discard", exact=True).last.click()
    expect(toast(there)).to_contain_text("Moved 1 to the trash.")
    expect(number).to_have_text("1 result")
    live.person(owner).submit(quantity=3)
    machine.finish()
    expect(number).to_have_text("4 results")
