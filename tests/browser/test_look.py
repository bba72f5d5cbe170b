"""What the pages owe everybody: a phone, a slow line, a screen reader, a quiet console."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from playwright.sync_api import Page, Route, expect

from generation.assets import groupings, memberships
from generation.assets.groupings import COLLECTIONS, TAGS
from generation.assets.listing import library as saved
from tests.acting import discard, user_actor
from tests.browser.conftest import Browsers
from tests.browser.pages import cards, go_live, make, write
from tests.functional.callers import Machine, failure
from tests.functional.installation import PASSWORD, Installation
from tests.functional.programs import eventually

PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
    "device_scale_factor": 2,
}
LONG = "x" * 200 + " a very long prompt, " * 14
TOO_SMALL = """() => [...document.querySelectorAll(
    `button, summary, select, input:not([type=radio], [type=checkbox], [type=hidden]),
     .btn, .seg label, .chip, .tabs a, .icon-btn`)]
  .filter((it) => it.checkVisibility({visibilityProperty: true, opacityProperty: true}))
  .map((it) => it.matches(".seg label") ? it.querySelector("input") : it) // what is pressed there
  .map((it) => ({it, box: it.getBoundingClientRect()}))
  .filter(({box}) => box.width > 1 && (box.height < 39.5 || box.width < 39.5))
  .map(({it, box}) => `${it.outerHTML.slice(0, 120)} ${box.width}×${box.height}`)"""
# Of all that axe looks at, only the colours differ in the dark.
SCHEMES: dict[Literal["light", "dark"], dict[str, Any]] = {
    "light": {},
    "dark": {"runOnly": ["color-contrast"]},
}
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"

# What ends beyond the edge of the page, or of its tile; what scrolls for itself has no such edge.
BEYOND = """() => [...document.querySelectorAll(".btn, .icon-btn, .badge, .chip, .select, .input, .live")]
  .filter((it) => it.checkVisibility({visibilityProperty: true}) && !it.closest(".facets, .in-force"))
  .map((it) => ({it, box: it.getBoundingClientRect(), edge: it.closest(".tile")?.getBoundingClientRect()}))
  .map(({it, box, edge}) => ({it, box, edge: edge ?? {left: 0, right: innerWidth}}))
  .filter(({box, edge}) => box.width && (box.left < edge.left - 0.5 || box.right > edge.right + 0.5))
  .map(({it}) => it.outerHTML.slice(0, 120))"""


def assert_fits_fingers(page: Page) -> None:
    too_small = page.evaluate(TOO_SMALL)
    assert not too_small, "\n".join([page.url, *too_small])


def busy(live: Installation, machine: Machine, owner: User) -> None:
    """One job of each kind, and the last twice: under review, failed in part, cancelled, in work, waiting."""
    person = live.person(owner)
    person.submit(prompt=LONG, quantity=3, review=True)
    machine.finish()
    person.submit("image7b_fast_enhanced", prompt="an enhanced one")
    machine.finish(metadata={"enhanced_prompt": "an enhanced one, with everything that a model adds to it"})
    person.submit("video_fast", prompt="a short film", aspect="16:9")
    machine.finish()
    person.submit(prompt="half of it failed", quantity=6)
    work = machine.lease()
    machine.deliver(work, 1, 4)
    machine.report(work, *(failure(work, slot) for slot in (0, 2, 3, 5)), status="completed")
    person.http.headers["X-CSRFToken"] = person.http.cookies["csrftoken"]
    person.http.post(f"/api/v1/jobs/{person.submit(prompt='given up')}/cancel")
    person.submit(prompt="in work", quantity=6)
    work = machine.lease()
    machine.deliver(work, 0)
    machine.heartbeat(work, 42, "sketching")
    for _ in range(2):
        person.submit(prompt="waiting")


@pytest.mark.parametrize("kind", ["empty", "busy"])
def test_on_a_phone(live: Installation, browsers: Browsers, machine: Machine, owner: User, kind: str) -> None:
    """The composer is in reach, nothing is wider than the screen, every target fits a finger."""
    if kind == "busy":
        busy(live, machine, owner)
    page = browsers.open(user=owner, **PHONE)
    go_live(page)
    assert page.evaluate(SIDEWAYS) <= 0
    assert_fits_fingers(page)
    expect(page.get_by_role("button", name="Make")).to_be_in_viewport()
    page.get_by_role("textbox", name="Prompt", exact=True).tap()
    page.keyboard.type("on the train")
    page.locator("#more summary").tap()
    assert page.evaluate(SIDEWAYS) <= 0
    assert_fits_fingers(page)
    expect(page.get_by_role("button", name="Make")).to_be_in_viewport()
    page.get_by_role("button", name="Make").tap()
    expect(page.locator(".stack h2").filter(has_text="on the train")).to_have_count(1)
    for path in ("/library/", "/library/trash/", "/account/"):
        page.goto(path)
        assert page.evaluate(SIDEWAYS) <= 0, path
        assert_fits_fingers(page)


@pytest.mark.parametrize("width", [320, 360])
def test_nothing_is_wider_than_a_small_phone(
    live: Installation, browsers: Browsers, machine: Machine, owner: User, width: int
) -> None:
    """No page scrolls sideways, and no control ends beyond the edge. A page that may grow would hide it."""
    busy(live, machine, owner)
    who: dict[str, Any] = {"owner_id": owner.pk, "actor": user_actor(owner.pk)}
    video, *images = saved(owner_id=owner.pk).assets
    addresses = [
        "/",
        "/account/",
        "/sharing/",
        *(f"/workspace/{it}" for it in ("prompts", "presets", "models")),
    ]
    for kind in (COLLECTIONS, TAGS):
        group = groupings.create(kind, name=f"All that the {'x' * 30} saw", **who)
        memberships.add(kind, group_id=group.pk, assets=[video.pk, images[0].pk], **who)
        addresses += [f"/library/{kind.name}s/", f"/library/{kind.name}s/{group.pk}/edit"]
        addresses += [f"/library/?{kind.name}={group.pk}"]
    discard(owner_id=owner.pk, assets=[image.pk for image in images[1:]])
    addresses += [f"/library/{asset.media}/{asset.pk}/" for asset in (video, images[0])]
    addresses += ["/library/", "/library/?q=film&media=video", "/library/projects/", "/library/import/"]
    addresses += ["/library/trash/"]
    page = browsers.context(owner, viewport={"width": width, "height": 740}, has_touch=True).new_page()
    wide = []
    for address in addresses:
        answer = page.goto(address)
        assert answer
        assert answer.ok, address
        if page.locator("[data-socket]").count():
            go_live(page)
            assert page.locator("#live").evaluate("(it) => it.clientWidth") >= 8, address  # the dot
        if page.evaluate("document.scrollingElement.scrollWidth - innerWidth") > 0:
            wide.append((address, page.evaluate("document.scrollingElement.scrollWidth")))
        wide += [(address, it) for it in page.evaluate(BEYOND)]
    assert wide == []
    page.locator("[data-tile]").first.locator("[data-open]").click()
    expect(page.locator("#lightbox .details")).to_be_attached()
    assert page.evaluate("document.scrollingElement.scrollWidth - innerWidth") <= 0


def test_slow_pictures_move_nothing(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    """A card has its final place from the moment of submission, whatever arrives in it and when."""
    held: list[Route] = []
    context = browsers.context(owner)
    context.route("**/thumbnail", lambda route: held.append(route))
    page = context.new_page()
    page.goto("/")
    go_live(page)
    page.get_by_label("Aspect ratio").select_option("3:2")
    page.locator('[data-field="quantity"] label:has(input[value="6"])').click()
    write(page, "patience")
    make(page)
    expect(cards(page)).to_have_count(6)

    def boxes() -> list[Any]:
        return [place.bounding_box() for place in (*cards(page).all(), page.locator(".foot"))]

    empty = boxes()
    machine.finish()
    expect(cards(page, "done")).to_have_count(6)
    waiting = boxes()
    assert waiting[:6] == empty[:6]
    assert not page.evaluate(
        "[...document.querySelectorAll('.card img')].some((it) => it.complete && it.naturalWidth)"
    )
    for route in held:
        route.continue_()
    eventually(
        lambda: page.evaluate("[...document.querySelectorAll('.card img')].every((it) => it.naturalWidth)")
    )
    assert boxes() == waiting


def sign_in(browsers: Browsers, owner: User) -> Page:
    page = browsers.context().new_page()
    page.goto("/sign-in/")
    return page


def workspace(browsers: Browsers, owner: User) -> Page:
    page = browsers.open(user=owner)
    go_live(page)
    return page


def composer_with_errors(browsers: Browsers, owner: User) -> Page:
    page = workspace(browsers, owner)
    page.locator("#more summary").click()
    page.get_by_label("Seed", exact=True).fill("-1")
    make(page)
    expect(page.locator('[data-error="seed"]')).not_to_be_empty()
    return page


def menu_open(browsers: Browsers, owner: User) -> Page:
    page = workspace(browsers, owner)
    page.get_by_role("link", name="More for this job").first.click()
    page.locator(".menu:popover-open").get_by_text("Details").click()
    return page


def library(browsers: Browsers, owner: User) -> Page:
    page = browsers.open("/library/", user=owner)
    go_live(page)
    return page


def selecting(browsers: Browsers, owner: User) -> Page:
    page = library(browsers, owner)
    page.get_by_role("button", name="Select").click()
    page.locator("[data-tick]").first.check(force=True)
    return page


def lightbox(browsers: Browsers, owner: User) -> Page:
    page = library(browsers, owner)
    page.locator('[data-tile][data-media="image"] [data-open]').first.click()
    expect(page.locator("#lightbox .details")).to_be_visible()
    return page


def asset_page(browsers: Browsers, owner: User) -> Page:
    page = library(browsers, owner)
    page.goto(page.locator('[data-tile][data-media="video"] [data-open]').first.get_attribute("href") or "")
    return page


def trash(browsers: Browsers, owner: User) -> Page:
    page = library(browsers, owner)
    page.locator("[data-tile]").first.hover()
    page.locator("[data-tile]").first.get_by_role("button", name="Discard").click()
    expect(page.locator("[data-toast]")).to_be_visible()
    page.goto("/library/trash/")
    expect(page.locator("[data-tile]")).not_to_have_count(0)
    return page


def account(browsers: Browsers, owner: User) -> Page:
    page = browsers.open("/account/", user=owner)
    page.get_by_label("What is it for?").fill("backups")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Create token").click()
    expect(page.locator("#new-token")).to_be_visible()
    return page


@pytest.mark.parametrize("kind", ["empty", "busy"])
def test_everybody_can_use_it(
    live: Installation, browsers: Browsers, machine: Machine, owner: User, kind: str
) -> None:
    """axe finds nothing, in light and in dark."""
    if kind == "busy":
        busy(live, machine, owner)
    sights: dict[str, list[Callable[[Browsers, User], Page]]] = {
        "empty": [sign_in, workspace, composer_with_errors, library, account],
        "busy": [workspace, menu_open, library, selecting, lightbox, asset_page, trash],
    }
    found = []
    for sight in sights[kind]:
        page = sight(browsers, owner)
        for scheme, rules in SCHEMES.items():
            page.emulate_media(color_scheme=scheme)
            options = {"resultTypes": ["violations"], **rules}
            for violation in Axe().run(page, options=options).response["violations"]:
                where = [f"{node['html'][:150]} {node['any'][:1]}" for node in violation["nodes"]]
                found.append(f"{sight.__name__}, {scheme}: {violation['help']}: {where}")
        page.context.close()
    assert found == []


def test_the_console_stays_quiet_everywhere(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    """No error and no CSP violation, also on pages that others wrote. The fixture asserts it."""
    staff = live.user(staff=True)
    busy(live, machine, staff)
    page = browsers.open(user=staff)
    job = staff.jobs.order_by("id")[0]
    for path in (
        "/",
        "/library/?q=film",
        "/library/trash/",
        "/account/",
        "/admin/",
        "/admin/generation/job/",
        f"/admin/generation/job/{job.pk}/change/",
    ):
        page.goto(path)
        expect(page.locator("h1, #site-name").first).to_be_attached()
        browsers.problems += page.evaluate("window.violations")
    page.goto("/api/docs/")
    expect(page.locator(".swagger-ui .opblock").first).to_be_visible()
