"""One walk through the viewer in the Library, and one through comparing and reviewing."""

from __future__ import annotations

import io
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from PIL import Image as Picture
from playwright.sync_api import CDPSession, Locator, Page, Route, expect

from generation.core.keyset import cursor_of
from generation.models import Asset, Image
from library.spans import place_of
from tests.browser.conftest import Browsers
from tests.browser.pages import cards, go_live, press_in_menu, toast
from tests.browser.test_look import PHONE
from tests.functional.callers import Machine
from tests.functional.installation import Installation
from tests.functional.programs import eventually

SCALE = "(picture) => new DOMMatrix(getComputedStyle(picture).transform).a"
PLACE = "(picture) => { const at = new DOMMatrix(getComputedStyle(picture).transform); return [at.e, at.f]; }"


def large(shade: int) -> bytes:
    """A picture that no screen of these tests shows whole at its own size."""
    out = io.BytesIO()
    Picture.new("RGB", (2000, 1600), (shade, 90, 160)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def images(live: Installation, machine: Machine, owner: User) -> list[Image]:
    """Six large ones of one job, the newest first."""
    live.person(owner).submit(quantity=6, negative_prompt="blurry")
    work = machine.lease()
    for slot in range(6):
        asset = {"image_index": slot, "status": "completed"}
        asset["upload_id"] = machine.upload(work, slot, large(30 * slot))
        machine.report(work, asset, status="completed" if slot == 5 else "processing")
    return list(Image.objects.filter(owner=owner).order_by("-saved_at", "-id"))


def viewer(page: Page) -> Locator:
    return page.get_by_role("dialog", name="Viewer")


def picture(page: Page) -> Locator:
    return page.locator("[data-stage] img").first


def shows(page: Page, image: Asset) -> None:
    expect(picture(page)).to_have_attribute("src", re.compile(str(image.pk)))


def scale(page: Page) -> float:
    return float(picture(page).evaluate(SCALE))


def own_size(page: Page) -> float:
    """The scale at which the picture has its own size."""
    return 2000 / float(picture(page).evaluate("(picture) => picture.offsetWidth"))


def touch(cdp: CDPSession, kind: str, *points: tuple[float, float]) -> None:
    named = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
    cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": named})


def drag(cdp: CDPSession, start: list[tuple[float, float]], end: list[tuple[float, float]]) -> None:
    touch(cdp, "touchStart", *start)
    for part in range(1, 9):
        between = [
            (x + (to_x - x) * part / 8, y + (to_y - y) * part / 8)
            for (x, y), (to_x, to_y) in zip(start, end, strict=True)
        ]
        touch(cdp, "touchMove", *between)
    touch(cdp, "touchEnd")


def assert_no_violations(page: Page) -> None:
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    assert [(each["help"], [node["html"][:120] for node in each["nodes"]]) for each in found] == []


def test_the_viewer_by_keys_and_mouse(
    browsers: Browsers, owner: User, images: list[Image], live: Installation
) -> None:
    page = browsers.open("/library/", user=owner, viewport={"width": 1200, "height": 800})
    go_live(page)
    tiles = page.locator("[data-tile]")

    # A star by key on a tile that has the focus.
    tiles.nth(5).locator("[data-open]").focus()
    page.keyboard.press("2")
    expect(tiles.nth(5).get_by_text("2 of 5 stars")).to_have_count(1)

    # A key goes to what it was pressed on, also when its details come after the next step.
    held: list[Route] = []
    pattern = re.compile(f"/library/image/{images[0].pk}/$")
    page.route(pattern, lambda route: route.continue_() if held else held.append(route))
    tiles.nth(0).locator("[data-open]").click()
    page.keyboard.press("3")
    page.keyboard.press("ArrowRight")
    shows(page, images[1])
    eventually(lambda: page.evaluate("1") and bool(held))
    held[0].continue_()
    expect(tiles.nth(0).get_by_text("3 of 5 stars")).to_have_count(1)
    assert not Image.objects.get(pk=images[1].pk).rating

    # Zoom and pan.
    size = viewer(page).locator("[data-view='size']")
    expect(size).not_to_have_text("100 %")
    page.keyboard.press("z")
    expect(size).to_have_text("100 %")
    assert scale(page) == pytest.approx(own_size(page), rel=0.01)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert picture(page).evaluate(PLACE) == pytest.approx([-90, -90])
    page.keyboard.press("+")
    assert scale(page) == pytest.approx(1.25 * own_size(page), rel=0.01)
    page.keyboard.press("0")
    assert scale(page) == 1
    page.mouse.move(300, 300)
    page.mouse.wheel(0, -240)
    eventually(lambda: scale(page) > 1.4)
    before = picture(page).evaluate(PLACE)
    page.mouse.down()
    page.mouse.move(340, 304, steps=4)
    page.mouse.up()
    assert picture(page).evaluate(PLACE) == pytest.approx([before[0] + 40, before[1] + 4], abs=1)
    expect(viewer(page)).to_be_visible()  # the end of a drag is no click beside the picture
    page.mouse.dblclick(300, 300)
    assert scale(page) == 1

    # The details: copied, hidden, hidden still after a reload; the whole screen.
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=live.address)
    viewer(page).get_by_role("button", name="Copy all as text").click()
    expect(toast(page)).to_contain_text("Copied.")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert re.fullmatch(r"a lighthouse\nNegative prompt: blurry\nSteps: 15, .*Size: 2000x1600.*", copied)
    assert_no_violations(page)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys of the viewer")).to_be_visible()
    page.keyboard.press("?")
    page.keyboard.press("i")
    expect(viewer(page).locator("[data-about]")).to_be_hidden()
    page.keyboard.press("Shift+F")
    eventually(lambda: page.evaluate("document.fullscreenElement !== null"))
    assert not Image.objects.get(pk=images[1].pk).favourite
    page.keyboard.press("Shift+F")
    eventually(lambda: page.evaluate("document.fullscreenElement === null"))
    page.keyboard.press("Escape")
    expect(viewer(page)).to_be_hidden()
    page.reload()
    go_live(page)
    tiles.nth(2).locator("[data-open]").click()
    shows(page, images[2])
    expect(viewer(page).locator("[data-about]")).to_be_hidden()
    page.keyboard.press("i")

    # Siblings open here; what changes or leaves in another tab does so here.
    viewer(page).locator(".related [data-open]").nth(5).click()
    sibling = max(images, key=lambda image: image.slot)
    shows(page, sibling)
    other = browsers.open(f"/library/image/{sibling.pk}/", user=owner)
    other.get_by_role("button", name="5 of 5 stars").click()
    expect(viewer(page).get_by_role("button", name="5 of 5 stars")).to_have_attribute("aria-pressed", "true")
    follower = images[images.index(sibling) + 1] if sibling != images[-1] else images[-2]
    other.get_by_role("button", name="Discard").click()
    shows(page, follower)


def test_the_viewer_goes_on_beyond_the_page_and_by_fingers(
    browsers: Browsers, owner: User, images: list[Image], live: Installation
) -> None:
    """The page begins with the third of six; the first and second are above it."""
    first = browsers.open("/library/", user=owner)
    cursor = first.evaluate("document.querySelectorAll('[data-tile]')[1].dataset.key")
    assert cursor
    at = place_of({"key": cursor}, "key")
    page = browsers.open(f"/library/?cursor={cursor_of(*at)}", user=owner, **PHONE)
    go_live(page)
    expect(page.locator("[data-tile]")).to_have_count(6)
    page.locator("[data-tile] [data-open]").nth(2).tap()
    shows(page, images[2])
    cdp = page.context.new_cdp_session(page)
    drag(cdp, [(60, 250)], [(320, 250)])
    shows(page, images[1])
    live.person(owner).post("/library/discard", {"asset": str(images[0].pk)})
    drag(cdp, [(60, 250)], [(320, 250)])
    expect(viewer(page).locator("[data-step='-1']")).to_be_disabled()
    shows(page, images[1])
    drag(cdp, [(150, 250), (250, 250)], [(80, 250), (320, 250)])
    assert scale(page) == pytest.approx(2.4, rel=0.05)
    drag(cdp, [(320, 250)], [(60, 250)])  # moves the picture, and does not step
    shows(page, images[1])
    assert picture(page).evaluate(PLACE)[0] < -100
    for _ in range(2):
        page.touchscreen.tap(200, 250)
    eventually(lambda: scale(page) == 1)
    drag(cdp, [(320, 250)], [(60, 250)])
    shows(page, images[2])
    page.keyboard.press("End")
    shows(page, images[5])
    page.keyboard.press("Home")
    shows(page, images[1])


def test_comparing_and_keeping_the_best(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    live.person(owner).submit(quantity=3, review=True)
    machine.finish()
    page = browsers.open(user=owner, viewport={"width": 1200, "height": 800})
    go_live(page)
    follow_in_menu(page, page.get_by_role("link", name="More for this job"), "Compare")
    expect(page.get_by_role("heading", name="Compare")).to_be_visible()
    assert_no_violations(page)
    page.keyboard.press("+")
    shown = page.locator("[data-stage] img").all()
    assert [each.evaluate(SCALE) for each in shown] == pytest.approx([1.25] * 3)
    page.get_by_role("button", name="3 of 5 stars").nth(1).click()
    expect(page.locator("figcaption").nth(1).get_by_role("button", name="3 of 5 stars")).to_have_attribute(
        "aria-pressed", "true"
    )

    # The best of the stack in one move, and back.
    page.goto("/")
    go_live(page)
    before = states(owner)
    done = cards(page, "done")
    done.first.hover()
    press_in_menu(page, done.first.get_by_role("link", name="More for 1 of 3"), "Keep this, discard the rest")
    expect(done).to_have_count(2)  # the rated one stays
    toast(page).get_by_role("button", name="Undo").click()
    expect(done).to_have_count(3)
    assert states(owner) == before
    page.get_by_role("button", name="Save all").click()
    expect(page.get_by_role("button", name="Save all")).to_have_count(0)

    # From the Library two that are ticked, with a line between them that keys move.
    page.goto("/library/")
    go_live(page)
    for number in range(2):
        page.locator("[data-tick]").nth(number).check(force=True)
    page.locator(".selection-bar").get_by_role("button", name="Compare").click()
    expect(page.get_by_role("button", name="Slider")).to_be_visible()
    page.keyboard.press("s")
    split = page.get_by_role("slider")
    expect(split).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(split).to_have_value("1")
    clip = "() => getComputedStyle(document.querySelectorAll('[data-stage]')[1]).clipPath"
    assert page.evaluate(clip) == "inset(0px 0px 0px 1%)"
    assert_no_violations(page)


def states(owner: User) -> list[tuple[object, ...]]:
    return list(Asset.objects.filter(owner=owner).order_by("pk").values_list("saved_at", "trashed_at"))


def follow_in_menu(page: Page, opener: Locator, name: str) -> None:
    opener.click()
    page.locator(".menu:popover-open").get_by_role("link", name=name).click()


def test_a_title_is_typed_as_soon_as_its_field_is_opened(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    """The keys went on to the viewer: stars, zoom, and Space that closed the field again."""
    live.person(owner).submit()
    machine.finish()
    page = browsers.open("/library/", user=owner)
    go_live(page)
    page.locator("[data-open]").first.click()
    title = page.get_by_role("textbox", name="Title")
    opener = viewer(page).get_by_text("Give it a title")
    opener.click()
    expect(title).to_be_focused()
    page.keyboard.type("25 fizzy kites")
    expect(title).to_have_value("25 fizzy kites")
    page.keyboard.press("Enter")
    expect(viewer(page).get_by_role("heading", name="25 fizzy kites")).to_be_visible()
    viewer(page).get_by_text("Change the title").focus()
    page.keyboard.press("Enter")
    expect(title).to_be_focused()
    page.keyboard.type("kites")
    expect(title).to_have_value("kites")
    image = Image.objects.get(owner=owner)
    assert not image.rating
    assert not image.favourite

    page.keyboard.type(" fly")
    with page.expect_response(f"**/library/image/{image.pk}/"):  # told anew
        live.person(owner).post(f"/library/image/{image.pk}/rate?rating=4", {})
    expect(viewer(page).get_by_role("button", name="4 of 5 stars")).to_have_attribute("aria-pressed", "true")
    expect(title).to_be_focused()
    page.keyboard.type(" high")
    expect(title).to_have_value("kites fly high")

    page.goto(f"/library/image/{image.pk}/")
    page.get_by_text("Change the title").click()
    expect(title).to_be_focused()
