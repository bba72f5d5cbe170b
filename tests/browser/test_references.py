"""Reference images: picked, dropped and pasted into the composer, never silently left out."""

from __future__ import annotations

import base64
import io
import re

import PIL.Image
import pytest
from django.contrib.auth.models import User
from playwright.sync_api import FilePayload, Locator, Page, Route, expect

from generation.models import Image, Job
from tests.browser.conftest import Browsers
from tests.browser.pages import choose, go_live, make, toast, write
from tests.factories import png
from tests.functional.callers import Machine
from tests.functional.installation import Installation

CARRY = """([name, type, data]) => {
  const bytes = Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
  const carried = new DataTransfer();
  carried.items.add(new File([bytes], name, { type }));
  return carried;
}"""


@pytest.fixture
def page(browsers: Browsers, owner: User) -> Page:
    opened = browsers.open(user=owner)
    go_live(opened)
    return opened


def picture(shade: int = 1) -> FilePayload:
    return {"name": f"{shade}.png", "mimeType": "image/png", "buffer": png(300, 200, shade=shade)}


def pick(page: Page, *pictures: FilePayload) -> None:
    page.locator("#pick").set_input_files(list(pictures))


def rows(page: Page) -> Locator:
    return page.locator("#references > li")


def chips(page: Page) -> Locator:
    return page.locator("#reference-chips .chip")


def submitted(owner: User) -> Job:
    return Job.objects.of(owner.pk).order_by("-id")[0]


def pixels_of(file: bytes) -> tuple[tuple[int, int], bytes]:
    with PIL.Image.open(io.BytesIO(file)) as image:
        return image.size, image.tobytes()


def test_a_picture_that_is_quicker_than_its_script_is_made_with(page: Page, owner: User) -> None:
    held: list[Route] = []
    page.route(re.compile(r"/js/references\b"), lambda route: held.append(route))
    pick(page, picture())
    write(page, "in this style")
    page.get_by_role("button", name="Make", exact=True).click()
    expect(page.locator(".make")).to_have_attribute("aria-busy", "true")
    expect(rows(page)).to_have_count(0)
    held[0].continue_()
    expect(page.locator(".stack .used-references")).to_contain_text("Style 60 %")


def test_a_picked_picture_reaches_the_worker(page: Page, machine: Machine, owner: User) -> None:
    """pitfall 19, pitfall 31: type and strength as chosen, the pixels as they were."""
    pick(page, picture(1), picture(2))
    expect(chips(page)).to_have_text(["Style 60 %", "Composition 60 %"])
    second = rows(page).nth(1)
    second.get_by_label("Strength").fill("0.25")
    second.get_by_label("What to take from image 2").select_option("Style")
    expect(chips(page)).to_have_text(["Composition 60 %", "Style 25 %"])
    write(page, "in this style")
    make(page)
    expect(page.locator(".stack .used-references")).to_contain_text("Composition 60 %")
    expect(page.locator(".stack .facts")).to_contain_text("no running worker can use its")

    assert machine.ask_for_work() is None, "a worker that names no pool makes nothing without the pictures"
    job = machine.ask_for_work(pools=["sdxl_image_fast+composition+style"])
    assert job is not None
    assert [(each["type"], each["strength"]) for each in job["references"]] == [
        ("composition", 0.6),
        ("style", 0.25),
    ]
    got = [machine.http.get(each["url"]).content for each in job["references"]]
    assert [*map(pixels_of, got)] == [pixels_of(picture(1)["buffer"]), pixels_of(picture(2)["buffer"])]
    machine.deliver(job, 0, status="completed")
    expect(page.locator('[data-phase="done"]')).to_have_count(1)


def test_dropped_and_pasted(page: Page, owner: User) -> None:
    data = base64.b64encode(png(shade=3)).decode()
    carried = page.evaluate_handle(CARRY, ["dropped.png", "image/png", data])
    page.locator("#references").dispatch_event("drop", {"dataTransfer": carried})
    expect(chips(page)).to_have_text(["Style 60 %"])
    data = base64.b64encode(png(shade=4)).decode()
    pasted = page.evaluate_handle(CARRY, ["pasted.png", "image/png", data])
    page.get_by_role("textbox", name="Prompt", exact=True).evaluate(
        """(prompt, carried) => prompt.dispatchEvent(
            new ClipboardEvent("paste", { clipboardData: carried, bubbles: true, cancelable: true }))""",
        pasted,
    )
    expect(chips(page)).to_have_text(["Style 60 %", "Composition 60 %"])
    page.reload()
    expect(chips(page)).to_have_text(["Style 60 %", "Composition 60 %"])
    chips(page).first.click()
    expect(chips(page)).to_have_text(["Composition 60 %"])
    page.reload()
    expect(chips(page)).to_have_text(["Composition 60 %"])
    write(page, "one of them")
    make(page)
    expect(page.locator(".stack .used-references li")).to_have_count(1)
    assert submitted(owner).pool == "sdxl_image_fast+composition"


def test_what_the_kind_of_work_cannot_use_is_not_shown_and_not_sent(page: Page, owner: User) -> None:
    """pitfall 31"""
    pick(page, picture(5))
    expect(chips(page)).to_have_text(["Style 60 %"])
    choose(page, "media", "video")
    expect(chips(page)).to_have_text(["Start frame"])
    expect(rows(page).get_by_label("Strength")).to_be_hidden()
    choose(page, "media", "image")
    page.get_by_label("Engine").select_option("wan")
    expect(chips(page)).to_have_count(0)
    expect(page.locator('[data-field="references"]')).to_be_hidden()
    write(page, "without it")
    make(page)
    expect(page.locator(".stack")).to_have_count(1)
    assert submitted(owner).pool == "image_fast"
    page.get_by_label("Engine").select_option("")
    expect(chips(page)).to_have_text(["Style 60 %"])


def test_what_is_no_picture_or_does_not_arrive_is_said_and_never_left_out(
    page: Page, owner: User, browsers: Browsers
) -> None:
    """pitfall 19"""
    pick(page, {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"hello"})
    expect(toast(page)).to_contain_text("notes.txt is not a PNG, JPEG or WebP picture.")
    pick(page, {"name": "cut.png", "mimeType": "image/png", "buffer": png(shade=6)[:-30]})
    expect(rows(page).locator(".error")).to_contain_text("cut off at byte")
    write(page, "must not go without")
    make(page)
    expect(rows(page).get_by_role("button", name="Remove")).to_be_focused()
    assert not owner.jobs.exists()
    rows(page).get_by_role("button", name="Remove").click()

    browsers.network_is_cut = True
    page.route("**/api/v1/references", lambda route: route.abort())
    pick(page, picture(7))
    expect(rows(page).locator(".error")).to_have_text("The server did not answer.")
    page.unroute("**/api/v1/references")
    rows(page).get_by_role("button", name="Try again").click()
    expect(chips(page)).to_have_text(["Style 60 %"])
    chips(page).click()
    browsers.network_is_cut = False

    held: list[Route] = []
    page.route("**/api/v1/references", lambda route: held.append(route))
    pick(page, picture(8))
    expect(chips(page)).to_have_text(["uploading"])
    make(page)
    expect(page.get_by_role("button", name="Make")).to_have_attribute("aria-busy", "true")
    assert not owner.jobs.exists()
    held[0].continue_()
    expect(page.locator(".stack .used-references li")).to_have_count(1)
    assert submitted(owner).pool == "sdxl_image_fast+style"


@pytest.mark.parametrize("script", [True, False], ids=["script", "plain"])
def test_an_image_of_the_library_is_used_also_without_a_script(
    live: Installation, browsers: Browsers, machine: Machine, owner: User, script: bool
) -> None:
    live.person(owner).submit(prompt="the first one")
    machine.finish()
    image = Image.objects.get(owner=owner)
    page = browsers.open(f"/library/image/{image.pk}/", user=owner, java_script_enabled=script)
    page.get_by_role("link", name="Use as reference").click()
    page.get_by_role("textbox", name="Prompt", exact=True).fill("like the first one")
    rows(page).get_by_role("combobox").select_option("Composition")
    page.get_by_role("button", name="Make").click()
    expect(page.locator(".stack h2").first).to_have_text("like the first one")
    [used] = submitted(owner).references.all()
    assert (used.type, used.reference.sha256) == ("composition", image.sha256)
    page.goto("/")
    expect(rows(page)).to_have_count(1)  # as it was made last
