"""Settings brought back: from a file that is dropped on the Workspace, and from the viewer."""

from __future__ import annotations

import base64

from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from tests.browser.conftest import Browsers
from tests.browser.pages import go_live, is_same_page, never_reloaded, toast, write
from tests.browser.test_references import CARRY, chips
from tests.factories import make_job
from tests.functional.callers import Machine
from tests.generation.parameter_files import INFOTEXT, png_with


def drop(page: Page, content: bytes, target: str = "#main") -> None:
    data = base64.b64encode(content).decode()
    carried = page.evaluate_handle(CARRY, ["lighthouse.png", "image/png", data])
    page.locator(target).first.dispatch_event("drop", {"dataTransfer": carried})


def test_settings_come_back_from_a_file_and_from_the_viewer(
    browsers: Browsers, machine: Machine, owner: User
) -> None:
    """pitfall 38: what was typed comes back by Undo, and what was not asked for stays."""
    job = make_job(owner, prompt="paper boats", seed=0, aspect="16:9")
    leased = machine.ask_for_work()
    assert leased is not None
    machine.deliver(leased, 0, status="completed")
    page = browsers.open(user=owner)
    go_live(page)
    never_reloaded(page)
    prompt = page.get_by_role("textbox", name="Prompt", exact=True)
    aspect, seed = page.get_by_label("Aspect ratio"), page.locator("#id_seed")

    write(page, "typed before")
    drop(page, png_with({"parameters": INFOTEXT}))
    page.get_by_role("dialog").get_by_role("button", name="Use its settings").click()
    expect(prompt).to_have_value("a lighthouse, (stormy sea:1.2)\nwarm light")
    expect(seed).to_have_value("0")
    expect(aspect).to_have_value("2:3")
    expect(page.locator("#recalled li").first).to_contain_text("LoRA: oil paint at 0.8")
    toast(page).get_by_role("button", name="Undo").click()
    expect(prompt).to_have_value("typed before")
    expect(seed).to_have_value("")
    expect(page.locator("#recalled"), "it said what is undone now").to_be_empty()

    page.locator(".card[data-phase='done'] [data-open]").click()
    page.get_by_role("link", name="Use seed").click()
    expect(page.locator("#lightbox")).to_be_hidden()
    expect(seed).to_have_value("0")
    expect(prompt).to_have_value("typed before")
    expect(aspect).to_have_value("")
    assert is_same_page(page)

    # From the Library by an address: the draft stays there too.
    page.goto(f"/library/image/{job.slots[0].pk}/")
    page.get_by_role("link", name="Use size").click()
    expect(aspect).to_have_value("16:9")
    expect(prompt).to_have_value("typed before")
    expect(seed).to_have_value("0")
    page.reload()
    expect(aspect).to_have_value("16:9")


def test_what_is_not_used_is_seen_below_a_form_that_fills_the_window(browsers: Browsers, owner: User) -> None:
    page = browsers.open(user=owner)
    page.set_viewport_size({"width": 1280, "height": 800})
    go_live(page)
    prompt = page.get_by_role("textbox", name="Prompt", exact=True)
    said = page.get_by_role("region", name="Settings that were brought here")

    drop(page, png_with({"parameters": INFOTEXT}))
    page.get_by_role("dialog").get_by_role("button", name="Use its settings").click()
    expect(said).to_be_in_viewport(ratio=0.99)
    expect(prompt, "it is in sight as it is").to_be_focused()

    page.locator("details.more > summary").click()
    drop(page, png_with({"parameters": INFOTEXT}))
    page.get_by_role("dialog").get_by_role("button", name="Use its settings").click()
    expect(said).to_be_focused()
    expect(said).to_be_in_viewport(ratio=0.99)
    said.get_by_role("button", name="Close").click()
    expect(said).to_have_count(0)
    expect(prompt).to_be_focused()


def test_a_dropped_picture_can_be_a_reference_as_before(browsers: Browsers, owner: User) -> None:
    page = browsers.open(user=owner)
    go_live(page)
    drop(page, png_with({}))
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(chips(page)).to_have_count(0)
    drop(page, png_with({}))
    page.get_by_role("dialog").get_by_role("button", name="Use as reference image").click()
    expect(chips(page)).to_have_text(["Style 60 %"])
    drop(page, png_with({"parameters": INFOTEXT}), '[data-field="references"]')
    expect(chips(page)).to_have_text(["Style 60 %", "Composition 60 %"])
