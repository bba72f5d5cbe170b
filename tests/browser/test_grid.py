"""The Library's grid with 20,000 assets: what is in the document, what moves, what is selected."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Locator, Page, expect

from generation.changes import library_hours
from generation.models import Asset, Job
from tests.browser.conftest import Browsers
from tests.browser.pages import go_live
from tests.browser.test_stability import SHIFTS
from tests.functional.callers import Machine
from tests.functional.installation import Installation

WIDE: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}}
NUMBER = 20_000
FEWER = 2_000
NEWEST = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)
IN_ONE_HOUR = range(9_000, 9_700)
SIZES = [(1344, 768), (1024, 1024), (768, 1344), (1152, 896), (480, 832), (1024, 1024), (832, 480)]
MOST_NODES = 3000
MOST_SHIFT = 0.05
LONGEST_TASK_MS = 200  # of processor time: by the clock other programs count too


def fill(like: Asset, number: int, apart: timedelta = timedelta(minutes=75)) -> list[Asset]:
    """So many images of the same file, the newest first, so far apart, but some in one hour."""
    values = {field.attname: getattr(like, field.attname) for field in Asset._meta.concrete_fields}
    rows, at = [], NEWEST
    for index in range(number):
        at -= timedelta(seconds=2) if index in IN_ONE_HOUR else apart
        width, height = SIZES[index % len(SIZES)]
        given = {"id": Asset._meta.pk.get_default(), "image_index": 100 + index, "saved_at": at}
        rows.append(Asset(**values | given | {"width": width, "height": height}))
    Asset.objects.bulk_create(rows, batch_size=700)
    library_hours.recount(like.owner_id)
    return rows


@pytest.fixture
def first(live: Installation, machine: Machine, owner: User) -> Asset:
    """In the trash, of a job that the Workspace does not show."""
    job = live.person(owner).submit(quantity=1)
    machine.finish()
    Job.objects.filter(pk=job).update(cleared_at=NEWEST)
    made = Asset.objects.get(job__pk=job)
    Asset.objects.filter(pk=made.pk).update(trashed_at=NEWEST)
    return made


def loaded(page: Page) -> None:
    """Everything that is seen is there."""
    expect(page.locator("#grid")).to_have_attribute("data-laid", "")
    page.wait_for_timeout(150)
    expect(page.locator(".part[data-waiting]")).to_have_count(0)


def seen_first(page: Page) -> tuple[str, int]:
    """The id of the tile that is seen first, and where it is."""
    found = page.locator("[data-tile]").evaluate_all(
        """(tiles) => {
          const first = tiles.find((tile) => tile.getBoundingClientRect().bottom > 57);
          return [first.dataset.id, Math.round(first.getBoundingClientRect().top)];
        }"""
    )
    return found[0], found[1]


def nodes(page: Page) -> int:
    return int(page.evaluate("document.getElementsByTagName('*').length"))


def tile(page: Page, asset: Asset) -> Locator:
    return page.locator(f"#tile-image-{asset.pk}")


def scrub(page: Page, share: float) -> None:
    box = page.get_by_role("slider", name="Date").bounding_box()
    assert box
    page.mouse.move(box["x"] + 30, box["y"] + box["height"] * share)
    page.mouse.down()
    page.mouse.up()
    loaded(page)


def longest_task(trace: bytes) -> float:
    """In ms of processor time, of the page's own thread."""
    events = json.loads(trace)["traceEvents"]
    names = {(e["pid"], e["tid"]) for e in events if e.get("args", {}).get("name") == "CrRendererMain"}
    tasks = [
        e["tdur"] / 1000
        for e in events
        if e["name"].endswith("RunTask") and "tdur" in e and (e["pid"], e["tid"]) in names
    ]
    assert len(tasks) > 100, "or nothing was measured"
    return max(tasks)


def test_twenty_thousand_from_end_to_end(browsers: Browsers, owner: User, first: Asset) -> None:
    """Pitfall 26: few nodes, nothing jumps, no long task; by scrolling, scrubber, Back and reload."""
    rows = fill(first, NUMBER)
    context = browsers.context(owner, viewport={"width": 1440, "height": 900})
    context.add_init_script(SHIFTS)
    page = context.new_page()
    chromium = browsers.chromium
    chromium.start_tracing(page=page, categories=["toplevel", "disabled-by-default-devtools.timeline"])
    page.goto("/library/")
    go_live(page)
    loaded(page)
    most, height = 0, page.evaluate("document.documentElement.scrollHeight")
    for step in range(40):
        page.evaluate("(y) => scrollTo(0, y)", height * step / 39)
        page.wait_for_timeout(30)
        most = max(most, nodes(page))
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    loaded(page)
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    expect(tile(page, rows[-1])).to_be_in_viewport()

    slider = page.get_by_role("slider", name="Date")
    for share in (0.2, 0.52):
        scrub(page, share)
        seen = Asset.objects.get(pk=seen_first(page)[0])
        expect(slider).to_have_attribute("aria-valuetext", f"{seen.saved_at:%b %Y}")
        most = max(most, nodes(page))
    slider.press("ArrowDown")
    loaded(page)
    page.mouse.move(600, 500)
    for _ in range(25):  # as a person does, also through the hour with many
        page.mouse.wheel(0, 500)
        page.wait_for_timeout(30)
        most = max(most, nodes(page))
    loaded(page)
    trace = chromium.stop_tracing()
    shifts = page.evaluate("window.shifts")
    assert sum(value for value, _ in shifts) < MOST_SHIFT, shifts
    assert most < MOST_NODES
    assert longest_task(trace) < LONGEST_TASK_MS

    page.wait_for_timeout(400)
    place = seen_first(page)
    for leave in (page.reload, lambda: (page.goto("/account/"), page.go_back())):
        leave()
        loaded(page)
        there = seen_first(page)
        assert there[0] == place[0]
        assert abs(there[1] - place[1]) <= 2


def test_what_is_selected_may_be_out_of_sight(
    live: Installation, browsers: Browsers, machine: Machine, owner: User, first: Asset
) -> None:
    """By shift over what is not loaded, by drag, by keys, all that match; and what is new moves nothing."""
    rows = fill(first, FEWER)
    page = browsers.open("/library/", user=owner, viewport={"width": 1440, "height": 900})
    go_live(page)
    loaded(page)
    count = page.locator(".selection-bar [data-count]")
    tile(page, rows[2]).hover()
    tile(page, rows[2]).locator("[data-tick]").click()
    expect(count).to_have_text("1 selected")
    scrub(page, 0.6)
    far = next(index for index, row in enumerate(rows) if str(row.pk) == seen_first(page)[0]) + 12
    tile(page, rows[far]).locator("[data-open]").click(modifiers=["Shift"])
    expect(count).to_have_text(f"{far - 1:,} selected")
    expect(tile(page, rows[far]).locator("[data-tick]")).to_be_checked()

    tile(page, rows[far]).locator("[data-open]").focus()
    for key in ("ArrowRight", "Space", "ArrowDown", "Shift+ArrowLeft"):
        page.keyboard.press(key)
    expect(count).not_to_have_text(f"{far - 1:,} selected")
    page.keyboard.press("Control+a")
    expect(count).to_have_text(f"{FEWER:,} selected")
    page.keyboard.press("Escape")
    expect(page.locator("[data-tick]:checked")).to_have_count(0)

    before = seen_first(page)
    from_, to = (tile(page, rows[far + step]).bounding_box() for step in (2, 5))
    assert from_
    assert to
    page.mouse.move(from_["x"] + 15, from_["y"] + 15)
    page.mouse.down()
    page.mouse.move(to["x"] + 40, to["y"] + 40, steps=8)
    page.mouse.up()
    expect(count).to_have_text("4 selected")
    page.keyboard.press("Escape")

    live.person(owner).submit(quantity=1)
    machine.finish()
    expect(page.get_by_role("button", name="1 new")).to_be_visible()
    assert seen_first(page) == before, "what is new moves nothing"
    page.get_by_role("button", name="1 new").click()
    newest = Asset.objects.in_library().filter(owner=owner).order_by("-completed_at")[0]
    expect(tile(page, newest)).to_be_in_viewport()


def test_a_long_press_selects_and_a_video_plays_under_the_pointer(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    live.person(owner).submit("video_fast")
    machine.finish()
    live.person(owner).submit(quantity=3)
    machine.finish()
    phone = browsers.context(owner, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = phone.new_page()
    page.goto("/library/")
    go_live(page)
    box = page.locator("[data-tile]").first.bounding_box()
    assert box
    touch: dict[str, Any] = {"x": box["x"] + 60, "y": box["y"] + 60}
    line = phone.new_cdp_session(page)
    line.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [touch]})
    expect(page.locator("[data-tick]:checked")).to_have_count(1)
    line.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.locator("[data-tile]").nth(1).tap()
    expect(page.locator("[data-tick]:checked")).to_have_count(2)
    expect(page.get_by_role("dialog")).to_have_count(0)

    page = browsers.open("/library/", user=owner, reduced_motion="no-preference")
    go_live(page)
    video = page.locator('[data-tile][data-media="video"]')
    video.hover()
    expect(video.locator("video[data-playing]")).to_have_count(1)
    assert video.locator("video").evaluate("(video) => video.muted")
    page.mouse.move(5, 5)
    expect(video.locator("video")).to_have_count(0)
    page.get_by_title("Large tiles").click()
    wide = page.locator("#grid").evaluate("(grid) => getComputedStyle(grid).getPropertyValue('--height')")
    page.reload()
    expect(page.locator("#grid")).to_have_attribute("data-density", "large")
    again = page.locator("#grid").evaluate("(grid) => getComputedStyle(grid).getPropertyValue('--height')")
    assert re.fullmatch(r"\d+px", wide)
    assert again == wide


def test_the_scrubber_goes_month_by_month(browsers: Browsers, owner: User, first: Asset) -> None:
    """It came to a stop, and skipped months, where a month was not as high as it was thought to be."""
    fill(first, 1_500, timedelta(hours=7.3))
    page = browsers.open("/library/", user=owner, **WIDE)
    go_live(page)
    loaded(page)
    page.mouse.move(600, 500)
    slider = page.get_by_role("slider", name="Date")
    expect(slider).not_to_have_attribute("aria-valuemax", "0")
    last = int(slider.get_attribute("aria-valuemax") or "")
    assert last > 12
    slider.focus()
    for key, months in (("ArrowDown", range(1, last + 1)), ("ArrowUp", range(last - 1, -1, -1))):
        for month in months:
            page.keyboard.press(key)
            expect(slider).to_have_attribute("aria-valuenow", str(month))
            loaded(page)
            assert slider.get_attribute("aria-valuenow") == str(month)
    page.keyboard.press("End")
    loaded(page)
    expect(slider).to_have_attribute("aria-valuenow", str(last))
    page.keyboard.press("ArrowUp")
    loaded(page)
    expect(slider).to_have_attribute("aria-valuenow", str(last - 1))
    page.mouse.wheel(0, -9000)
    expect(slider).not_to_have_attribute("aria-valuenow", str(last - 1))
    page.keyboard.press("Home")
    expect(slider).to_have_attribute("aria-valuenow", "0")


def test_end_leads_to_the_last_tile(
    browsers: Browsers, owner: User, first: Asset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes above it may be higher than it was thought to be."""
    monkeypatch.setattr("tests.browser.test_grid.SIZES", SIZES[:1])
    rows = fill(first, 1_443, timedelta(hours=7.3))  # four in the last month
    page = browsers.open("/library/", user=owner, **WIDE)
    go_live(page)
    loaded(page)
    page.locator("[data-open]").first.focus()
    page.keyboard.press("End")
    expect(tile(page, rows[-1]).locator("[data-open]")).to_be_focused()
    page.wait_for_timeout(500)
    loaded(page)
    expect(tile(page, rows[-1])).to_be_in_viewport(ratio=0.99)


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_end_leads_to_the_end_of_the_page(browsers: Browsers, owner: User, first: Asset, motion: Any) -> None:
    """It is further down when what stands there has come."""
    rows = fill(first, 1_505, timedelta(hours=7.3))
    page = browsers.open("/library/", user=owner, **WIDE, reduced_motion=motion)
    go_live(page)
    loaded(page)
    page.keyboard.press("End")
    page.wait_for_timeout(1000)
    loaded(page)
    expect(tile(page, rows[-1])).to_be_in_viewport(ratio=0.99)
    assert page.evaluate("document.documentElement.scrollHeight - innerHeight - scrollY") <= 1


def test_a_range_grows_and_shrinks_from_where_it_began(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    """By Shift with a click, an arrow or the box of a tile; what was selected before stays."""
    person = live.person(owner)
    for _ in range(2):
        person.submit(quantity=6)
        machine.finish()
    page = browsers.open("/library/", user=owner, **WIDE)
    go_live(page)
    tiles, ticks = page.locator("[data-tile]"), page.locator("[data-tick]")

    def assert_selected(wanted: set[int]) -> None:
        for index in range(12):
            expect(ticks.nth(index)).to_be_checked(checked=index in wanted)

    tiles.nth(0).hover()
    ticks.nth(0).click()
    ticks.nth(4).click()
    for at, there in ((9, [4, 5, 6, 7, 8, 9]), (6, [4, 5, 6]), (2, [2, 3, 4]), (0, [0, 1, 2, 3, 4])):
        tiles.nth(at).locator("[data-open]").click(modifiers=["Shift"])
        assert_selected({0, *there})
    for at, there in ((8, [4, 5, 6, 7, 8]), (6, [4, 5, 6]), (5, [4, 5])):
        ticks.nth(at).click(modifiers=["Shift"])
        assert_selected({0, *there})

    page.keyboard.press("Escape")
    tiles.nth(5).locator("[data-open]").focus()
    steps = [("Right", [5, 6]), ("Right", [5, 6, 7]), ("Left", [5, 6]), ("Left", [5]), ("Left", [4, 5])]
    for key, there in steps:
        page.keyboard.press(f"Shift+Arrow{key}")
        assert_selected(set(there))


def test_what_is_new_is_said_and_led_to_by_key(
    live: Installation, browsers: Browsers, machine: Machine, owner: User, first: Asset
) -> None:
    """Whoever pressed the button by key was left on no tile."""
    fill(first, 200)
    page = browsers.open("/library/", user=owner, **WIDE)
    go_live(page)
    loaded(page)
    page.mouse.move(600, 500)
    page.mouse.wheel(0, 3000)
    loaded(page)
    live.person(owner).submit()
    machine.finish()
    pill = page.get_by_role("button", name="1 new")
    expect(pill).to_be_visible()
    expect(page.locator("#announcements")).to_have_text("1 new")
    pill.focus()
    page.keyboard.press("Enter")
    newest = Asset.objects.in_library().filter(owner=owner).order_by("-completed_at")[0]
    expect(tile(page, newest).locator("[data-open]")).to_be_focused()
    expect(tile(page, newest)).to_be_in_viewport(ratio=1)
