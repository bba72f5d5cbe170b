"""The composer as a tool: several prompts, switches that give back, earlier prompts, presets, keys."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Locator, Page, expect

from generation.jobs.listing import WAITING_SHOWN
from generation.models import Asset, Job
from tests.browser.conftest import Browsers
from tests.browser.pages import choose, go_live, make, newest, toast, write
from tests.browser.test_draft import form, open_more, picture
from tests.browser.test_look import PHONE
from tests.factories import make_job
from tests.functional.installation import Installation
from workspace.models import Preset


@pytest.fixture
def page(browsers: Browsers, owner: User) -> Page:
    opened = browsers.open(user=owner)
    go_live(opened)
    return opened


def prompt(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Prompt", exact=True)


def button(page: Page) -> Locator:
    return page.locator(".make")


def test_the_button_says_how_many_jobs_and_makes_as_many(page: Page, owner: User) -> None:
    write(page, "a {red|blue|green} fox")
    expect(button(page)).to_have_text("Make 3 jobs")
    open_more(page)
    page.get_by_label("One prompt per line").check()
    write(page, "a {red|blue} fox\n\nan owl\n")
    expect(button(page)).to_have_text("Make 3 jobs")
    expect(page.locator("#chips .chip")).to_have_text(["one prompt per line"])
    page.reload()
    go_live(page)
    expect(button(page)).to_have_text("Make 3 jobs")
    write(page, "a {red|{dark|light}} fox")
    expect(page.locator("#estimate")).to_contain_text("Alternatives cannot stand inside others")
    make(page)
    expect(page.locator('[data-error="prompt"]')).to_contain_text("Alternatives cannot stand inside others")
    write(page, "a {red|blue} fox\nan owl")
    expect(button(page)).to_have_text("Make 3 jobs")
    make(page)
    expect(page.locator(".stack h2")).to_have_text(["a red fox", "a blue fox", "an owl"])
    assert Job.objects.of(owner.pk).count() == 3
    for _ in range(WAITING_SHOWN):
        make_job(owner)
    write(page, "a {red|blue} hill")
    make(page)
    expect(page.locator("#announcements"), "all, though none is shown").to_have_text("2 jobs queued.")


def test_a_switch_says_what_it_takes_and_gives_it_back(page: Page) -> None:
    """It became another job without a word: references, quantity and aspect ratio were gone."""
    open_more(page)
    choose(page, "quantity", "6")
    page.get_by_label("Aspect ratio").select_option("3:2")
    expect(page.get_by_label("Aspect ratio").locator("option:checked")).to_have_text(
        re.compile("3:2.*1216×832")
    )
    page.locator("#pick").set_input_files([picture()])
    row = page.locator("#references > li")
    row.get_by_role("combobox").select_option("character")
    row.get_by_role("slider").fill("0.8")
    expect(page.locator("#reference-chips .chip")).to_have_text(["Character 80 %"])
    before = form(page)
    gone = "×6, 3:2, and the character reference"
    for switch, name in (("enhance", "Enhancing"), ("media", "Video"), ("engine", "WAN")):
        expect(page.locator(f'[data-goes="{switch}"]')).to_contain_text(f"{name} leaves out {gone}.")

    page.locator("#id_enhance").check()
    expect(page.locator("#not-used")).to_contain_text(f"Not used by WAN image fast, enhanced: {gone}.")
    assert "references-0" not in form(page)
    page.reload()
    go_live(page)
    open_more(page)
    page.locator("#id_enhance").uncheck()
    assert form(page) == before
    expect(page.locator("#reference-chips .chip")).to_have_text(["Character 80 %"])

    choose(page, "media", "video")
    expect(page.locator("#reference-chips .chip")).to_have_text(["Start frame"])
    choose(page, "media", "image")
    assert form(page) == before
    page.get_by_label("Engine").select_option("wan")
    page.get_by_label("Engine").select_option("")
    assert form(page) == before
    expect(page.locator("#not-used")).to_have_text("")


def test_a_seed_is_kept_and_random_again(page: Page, owner: User) -> None:
    write(page, "a fox")
    make(page)
    expect(page.locator(".stack")).to_have_count(1)
    open_more(page)
    page.get_by_role("button", name="Keep the last seed").click()
    seed = str(Asset.objects.get(owner=owner).seed)
    expect(page.get_by_role("textbox", name="Seed")).to_have_value(seed)
    make(page)
    expect(page.locator(".stack")).to_have_count(2)
    assert str(newest(owner).seed) == seed
    page.get_by_role("button", name="Random again").click()
    expect(page.locator("#chips .chip")).to_have_count(0)
    expect(page.get_by_role("button", name="Random again")).to_be_disabled()


def test_the_arrows_lead_back_and_lose_nothing(page: Page, live: Installation, owner: User) -> None:
    """Pitfall 38: what was typed stays, also over a reload, and so does what was changed on the way."""
    for text in ("an owl", "a {plain|brace}", "a fox"):
        live.person(owner).submit(prompt=text)
    write(page, "half a senten")
    prompt(page).press("Home")

    def press(key: str, shows: str) -> None:
        page.keyboard.press(key)
        expect(prompt(page)).to_have_value(shows)

    press("ArrowUp", "a fox")
    press("ArrowUp", r"a \{plain\|brace\}")
    press("ArrowUp", "an owl")
    page.keyboard.type("not ")
    prompt(page).press("Home")
    press("ArrowDown", r"a \{plain\|brace\}")
    press("ArrowUp", "not an owl")
    page.reload()
    go_live(page)
    expect(prompt(page)).to_have_value("not an owl")
    prompt(page).focus()
    prompt(page).press("Control+Home")
    press("ArrowDown", "half a senten")
    expect(page.locator(".stack")).to_have_count(3)

    page.get_by_role("link", name="Earlier prompts").click()
    found = page.locator(".picker .pick-one")
    expect(found).to_have_count(3)
    page.keyboard.type("OWL")
    expect(found).to_have_text(["an owl"])
    found.click()
    expect(prompt(page)).to_have_value("an owl")
    expect(prompt(page)).to_be_focused()
    page.get_by_role("button", name="Undo").click()
    expect(prompt(page)).to_have_value("half a senten")


def test_a_preset_is_saved_filled_in_taken_back_and_deleted(page: Page, owner: User) -> None:
    open_more(page)
    page.get_by_role("textbox", name="Seed").fill("0")
    page.get_by_label("Negative prompt").fill("fog")
    choose(page, "quality", "high")
    page.get_by_role("link", name="Presets").click()
    page.get_by_label("Name of a new preset").fill("Night")
    page.keyboard.press("Enter")
    expect(page.locator(".picker .pick-one")).to_have_text(["Night"])
    expect(page.get_by_label("Name of a new preset"), "the list that came anew has the focus").to_be_focused()
    page.keyboard.press("Escape")
    for chip in ("seed 0", "without fog"):
        page.locator("#chips .chip", has_text=chip).click()
    choose(page, "quality", "fast")
    write(page, "a fox")
    before = form(page)

    page.get_by_role("link", name="Presets").click()
    page.locator(".picker .pick-one").click()
    expect(page.locator("#chips .chip")).to_have_text(["without fog", "seed 0"])
    assert form(page) == before | {"seed": "0", "negative_prompt": "fog", "quality": "high"}
    toast(page).filter(has_text="Filled in from Night.").get_by_role("button", name="Undo").click()
    assert form(page) == before
    assert not owner.jobs.exists(), "Enter in the name saved the preset, and sent nothing"

    page.get_by_role("link", name="Presets").click()
    page.get_by_label("More for this preset").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.locator(".picker .pick-one")).to_have_count(0)
    toast(page).filter(has_text="Deleted").get_by_role("button", name="Undo").click()
    expect(toast(page).filter(has_text="is back")).to_be_visible()
    assert Preset.objects.get(owner=owner, deleted_at=None).name == "Night"


COMPOSING = """(prompt) => prompt.dispatchEvent(
  new KeyboardEvent("keydown", {key: "Enter", isComposing: true, bubbles: true, cancelable: true}))"""


def test_enter_sends_where_that_was_chosen_on_any_device(page: Page, browsers: Browsers, owner: User) -> None:
    expect(prompt(page)).to_have_attribute("placeholder", re.compile(r"Ctrl\+Enter sends$"))
    write(page, "a fox")
    prompt(page).press("Enter")
    expect(prompt(page)).to_have_value("a fox\n")
    open_more(page)
    with page.expect_response("**/workspace/enter-sends"):
        page.get_by_label("Enter sends").check()
    expect(prompt(page)).to_have_attribute("placeholder", re.compile("· Enter sends$"))

    other = browsers.open(user=owner)
    go_live(other)
    write(other, "first")
    prompt(other).evaluate(COMPOSING)
    prompt(other).press("Shift+Enter")
    expect(prompt(other)).to_have_value("first\n")
    assert not owner.jobs.exists()
    prompt(other).press("Enter")
    expect(other.locator(".stack h2")).to_have_text(["first"])

    phone = browsers.open(user=owner, **PHONE)
    go_live(phone)
    expect(prompt(phone)).not_to_have_attribute("placeholder", re.compile("sends"))
    write(phone, "on the train")
    prompt(phone).press("Enter")
    expect(prompt(phone)).to_have_value("on the train\n")
    assert owner.jobs.count() == 1
