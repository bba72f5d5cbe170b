"""Models from the form to the Library: two workers with three models between them, and one that goes away."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from playwright.sync_api import Locator, Page, expect

from generation.models import Image, Job, Model, ModelOffer, Worker
from tests.advertised import FILM, body
from tests.browser.conftest import Browsers
from tests.browser.pages import (
    choose,
    go_live,
    is_same_page,
    make,
    never_reloaded,
    newest,
    stack,
    toast,
    write,
)
from tests.browser.test_draft import open_more
from tests.browser.test_look import PHONE, assert_fits_fingers
from tests.functional.callers import Machine
from tests.functional.installation import Installation
from tests.functional.programs import eventually

INK = body("ink", title="Ink", offer={}, sizes={}, digest="c" * 64)
PLAIN = body("plain", title="Plain", sizes={}, licence={"name": "", "url": ""})
GRAIN = '[name="settings:loras:film-grain"]'


def offer(machine: Machine, *models: dict[str, Any], extra: tuple[str, ...] = ()) -> dict[str, Any] | None:
    """The machine asks for work with these models, and gets it if there is some."""
    named = [f"{job_type}@{model['name']}" for model in models for job_type in model["job_types"]]
    return machine.ask_for_work(pools=[*named, *extra], models=list(models), engines=["sdxl", "wan"])


def chips(page: Page) -> Locator:
    return page.locator("#chips .chip")


def pick(page: Page, title: str) -> None:
    page.locator("#choose-model").click()
    page.get_by_role("link", name=re.compile(f"^{title}")).click()
    expect(page.locator("#choose-model [data-title]")).to_have_text(title)


def drag(page: Page, selector: str, value: str) -> None:
    page.locator(selector).evaluate(
        """(range, value) => {
          range.value = value;
          range.dispatchEvent(new Event("input", {bubbles: true}));
        }""",
        value,
    )


def test_from_the_form_to_the_library(live: Installation, browsers: Browsers, owner: User) -> None:
    first, second = live.machine(), live.machine()
    assert offer(first, body(), PLAIN, extra=("sdxl_image_fast", "video_fast")) is None
    assert offer(second, INK) is None
    page = browsers.open(user=owner)
    go_live(page)
    never_reloaded(page)

    # Chosen and set
    page.locator("#choose-model").click()
    expect(page.locator(".picker .model b")).to_have_text(["Automatic", "Film XL", "Ink", "Plain"])
    expect(page.get_by_role("link", name=re.compile("CreativeML")).first).to_have_attribute(
        "target", "_blank"
    )
    expect(page.locator("#id_model"), "one choice").to_be_hidden()
    page.keyboard.press("Escape")
    pick(page, "Film XL")
    expect(chips(page)).to_have_text(["Film XL"])
    open_more(page)
    page.locator('[name="settings:steps"]').fill("5")
    page.locator(GRAIN).check()
    drag(page, '[name="settings:loras:film-grain:weight"]', "0.8")
    expect(page.locator(".lora output").first).to_have_text("0.8")
    write(page, "a red fox\nan owl")
    prompt = page.get_by_role("textbox", name="Prompt", exact=True)
    prompt.evaluate("(field) => field.setSelectionRange(9, 9)")
    page.get_by_role("button", name="filmgrain").click()
    expect(prompt).to_have_value("a red fox, filmgrain\nan owl")
    expect(prompt).to_be_focused()
    expect(chips(page)).to_have_text(["Film XL", "Steps 5", "Film grain 0.8"])
    expect(page.get_by_label("Aspect ratio").locator("option:not([hidden])")).to_have_count(2)

    # What another kind leaves out comes back; another model too, with what was set
    choose(page, "media", "video")
    expect(page.locator("#not-used")).to_contain_text("the model Film XL")
    expect(chips(page)).to_have_count(0)
    choose(page, "media", "image")
    expect(chips(page)).to_have_text(["Film XL", "Steps 5", "Film grain 0.8"])
    pick(page, "Ink")
    expect(chips(page)).to_have_text(["Ink"])
    toast(page).last.get_by_role("button", name="Undo").click()
    expect(chips(page)).to_have_text(["Film XL", "Steps 5", "Film grain 0.8"])
    page.reload()
    go_live(page)
    expect(chips(page)).to_have_text(["Film XL", "Steps 5", "Film grain 0.8"])
    expect(page.locator('[name="settings:loras:film-grain:weight"]')).to_have_value("0.8")
    never_reloaded(page)

    # Two prompts at once
    open_more(page)
    page.get_by_label("One prompt per line").check()
    expect(page.locator("#estimate")).to_contain_text("about")
    make(page)
    expect(page.locator(".stack")).to_have_count(2)
    expect(page.locator(".stack .facts").first).to_contain_text("Film XL · SDXL fast")
    for _ in range(2):
        work = offer(first, body(), PLAIN, extra=("sdxl_image_fast", "video_fast"))
        assert work is not None
        told = {name: work["parameters"][name] for name in ("model", "steps", "guidance", "loras")}
        lora = [{"name": "film-grain", "weight": 0.8}]
        assert told == {"model": FILM, "steps": 5, "guidance": 2.0, "loras": lora}
        first.deliver(work, 0, status="completed")

    # A model that goes away while a job waits for it
    page.locator("#id_one_per_line").uncheck()
    pick(page, "Ink")
    write(page, "a heron")
    make(page)
    expect(page.locator(".stack")).to_have_count(3)
    waiting = newest(owner)
    expect(stack(page, waiting).locator(".facts")).to_contain_text("Ink")
    Worker.objects.filter(model_offers__model__name="ink").update(last_seen_at="2026-01-01T00:00Z")
    page.reload()
    go_live(page)
    expect(stack(page, waiting)).to_contain_text("no worker with Ink is running")
    expect(page.locator("#estimate")).to_contain_text("no worker for it is running")
    page.locator("#choose-model").click()
    expect(page.locator(".picker .model", has_text="Ink")).to_contain_text("no worker for it is running")
    page.keyboard.press("Escape")
    work = offer(second, INK)
    assert work is not None
    assert (work["job_id"], work["parameters"]["model"]) == (str(waiting.pk), "ink")
    second.deliver(work, 0, status="completed")
    expect(stack(page, waiting)).to_have_attribute("data-status", "completed")

    # In the Library, and back into the form
    image = Image.objects.get(owner=owner, job__prompt="a red fox, filmgrain")
    page.goto(f"/library/image/{image.pk}/")
    expect(page.locator(".details dl")).to_contain_text("Film XL · SDXL fast")
    expect(page.locator(".details dl")).to_contain_text("film-grain at 0.8")
    page.get_by_role("link", name="Use all").click()
    expect(page.locator("#choose-model [data-title]")).to_have_text("Film XL")
    expect(chips(page).nth(1)).to_have_text("Steps 5")
    expect(chips(page).nth(2)).to_have_text("Film grain 0.8")
    offer(second, body("other", title="Other"))
    page.locator(f"#image-{waiting.slots[0].pk} [data-menu]").dispatch_event("click")
    page.get_by_role("link", name="Use all its settings").click()
    expect(page.locator("#recalled")).to_contain_text("Model: ink – it is not here any more")
    expect(page.locator("#choose-model [data-title]")).to_have_text("Automatic")
    toast(page).last.get_by_role("button", name="Undo").click()
    expect(chips(page).nth(2)).to_have_text("Film grain 0.8")


PAPER = """
[[models]]
name = "paper"
title = "Paper"
engine = "sketch"
job_types = ["sdxl_image_fast"]
sizes = {"1:1" = [256, 256]}
loras = [{name = "film-grain", title = "Film grain", weight = 0.6, minimum = 0, maximum = 2}]
offer = {palette = ["natural", "mono"], loras = ["film-grain"]}

[[models]]
name = "mono"
title = "Mono"
engine = "sketch"
job_types = ["sdxl_image_fast"]
set = {palette = "mono"}
"""
INKED = """
[[models]]
name = "inked"
title = "Inked"
engine = "sketch"
job_types = ["sdxl_image_fast"]
sizes = {"1:1" = [256, 256]}
loras = [{name = "ink"}]
"""


def test_real_workers_from_the_form_to_the_library(
    live: Installation, browsers: Browsers, owner: User, tmp_path: Path
) -> None:
    """Three models of two workers; one goes away while a job waits for it. A file brings all back."""
    files = {name: tmp_path / f"{name}.toml" for name in ("paper", "inked")}
    files["paper"].write_text(PAPER)
    files["inked"].write_text(INKED)
    live.worker("--config", str(files["paper"]))
    leaving = live.worker("--config", str(files["inked"]))
    eventually(lambda: ModelOffer.objects.count() == 3, "the models are not there")
    page = browsers.open(user=owner)
    go_live(page)
    never_reloaded(page)
    pick(page, "Paper")
    open_more(page)
    page.locator('[name="settings:palette"]').select_option("mono")
    page.locator(GRAIN).check()
    drag(page, '[name="settings:loras:film-grain:weight"]', "1.4")
    write(page, "a red fox")
    make(page)
    expect(page.locator(".stack")).to_have_count(1)
    first = newest(owner)
    expect(stack(page, first)).to_have_attribute("data-status", "completed", timeout=20_000)
    expect(stack(page, first).locator(".facts")).to_contain_text("Palette mono, LoRA film-grain at 1.4")

    # Without its worker jobs wait, and are made when one is back; those of the other go on
    assert leaving.stop() == 0
    Worker.objects.filter(model_offers__model__name="inked").update(last_seen_at="2026-01-01T00:00Z")
    pick(page, "Inked")
    write(page, "a heron")
    make(page)
    expect(page.locator(".stack")).to_have_count(2)
    waiting = newest(owner)
    expect(stack(page, waiting)).to_contain_text("no worker with Inked is running")
    pick(page, "Mono")
    write(page, "an owl")
    make(page)
    expect(page.locator(".stack")).to_have_count(3)
    last = newest(owner)
    expect(stack(page, last)).to_have_attribute("data-status", "completed", timeout=20_000)
    expect(stack(page, waiting)).to_have_attribute("data-status", "queued")
    live.worker("--config", str(files["inked"]))
    expect(stack(page, waiting)).to_have_attribute("data-status", "completed", timeout=20_000)
    assert is_same_page(page)

    # In the Library, and back from the file
    (image,) = first.slots
    page.goto(f"/library/image/{image.pk}/")
    expect(page.locator(".details dl")).to_contain_text("film-grain at 1.4")
    with page.expect_download() as download:
        page.evaluate("(id) => location.assign(`/media/image/${id}/file?download=1`)", str(image.pk))
    page.goto("/")
    go_live(page)
    open_more(page)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("link", name="Settings from a file").click()
    chooser.value.set_files(
        {"name": "ours.png", "mimeType": "image/png", "buffer": Path(download.value.path()).read_bytes()}
    )
    expect(page.locator("#choose-model [data-title]")).to_have_text("Paper")
    expect(chips(page).filter(has_text="Palette")).to_have_text("Palette mono")
    expect(chips(page).filter(has_text="Film grain")).to_have_text("Film grain 1.4")


def test_a_refused_setting_and_a_preset(live: Installation, browsers: Browsers, owner: User) -> None:
    machine = live.machine()
    assert offer(machine, body(), PLAIN) is None
    page = browsers.open(user=owner)
    go_live(page)
    never_reloaded(page)
    pick(page, "Film XL")
    open_more(page)
    page.locator('[name="settings:steps"]').fill("99")
    write(page, "a fox")
    make(page)
    expect(page.locator('[data-error="settings"]')).to_contain_text("Steps: This is a whole number")
    page.locator('[name="settings:steps"]').fill("12")
    page.locator(GRAIN).check()
    page.get_by_role("link", name="Presets").click()
    page.get_by_placeholder("Save what is set as").fill("grainy")
    page.locator(".picker").get_by_role("button", name="Save").click()
    expect(page.locator(".picker .preset")).to_contain_text("grainy")
    page.keyboard.press("Escape")
    chips(page).first.click()
    expect(page.locator("#choose-model [data-title]")).to_have_text("Automatic")
    expect(chips(page)).to_have_count(0)
    page.get_by_role("link", name="Presets").click()
    page.get_by_role("link", name="grainy").click()
    expect(chips(page)).to_have_text(["Film XL", "Steps 12", "Film grain 1"])
    make(page)
    expect(page.locator(".stack")).to_have_count(1)
    assert newest(owner).settings == {"steps": 12, "loras": [{"name": "film-grain", "weight": 1}]}
    assert is_same_page(page)


def test_a_draft_says_that_its_model_is_gone(live: Installation, browsers: Browsers, owner: User) -> None:
    machine = live.machine()
    assert offer(machine, body(), PLAIN) is None
    page = browsers.open(user=owner)
    go_live(page)
    pick(page, "Film XL")
    write(page, "a fox")
    expect(page.locator('[name="settings:steps"]')).to_have_count(1)
    Model.objects.filter(name=FILM).update(is_hidden=True)
    page.reload()
    go_live(page)
    expect(page.get_by_role("textbox", name="Prompt", exact=True)).to_have_value("a fox")
    expect(page.locator("#choose-model [data-title]")).to_have_text("Automatic")
    expect(toast(page)).to_contain_text("The model that was chosen is not there any more")
    page.reload()
    go_live(page)
    expect(toast(page)).to_have_count(0)


def test_by_fingers_and_without_a_script(live: Installation, browsers: Browsers, owner: User) -> None:
    machine = live.machine()
    assert offer(machine, body(), PLAIN, extra=("sdxl_image_fast",)) is None
    page = browsers.open(user=owner, **PHONE)
    go_live(page)
    page.get_by_role("textbox", name="Prompt", exact=True).focus()
    page.locator("#choose-model").tap()
    assert_fits_fingers(page)
    assert Axe().run(page).response["violations"] == []
    page.get_by_role("link", name=re.compile("^Film XL")).tap()
    open_more(page)
    page.locator(GRAIN).check()
    expect(page.get_by_role("button", name="filmgrain")).to_be_visible()
    assert_fits_fingers(page)
    assert Axe().run(page).response["violations"] == []

    page = browsers.open(user=owner, java_script_enabled=False)
    page.get_by_label("Model", exact=True).select_option("Film XL")
    page.get_by_label("Prompt", exact=True).fill("a heron")
    page.get_by_role("button", name="Show its settings").click()
    page.get_by_label("Steps").fill("4")
    page.get_by_label("Film grain", exact=True).check()
    page.get_by_role("button", name="Make", exact=True).click()
    expect(page.locator(".stack .facts")).to_contain_text("Steps 4, LoRA film-grain at 1")
    assert Job.objects.of(owner.pk).get().model == FILM


def test_make_stays_in_the_row_of_the_choices(live: Installation, browsers: Browsers, owner: User) -> None:
    """At a laptop's width, whichever model is chosen."""
    machine = live.machine()
    title = "A model whose title is longer than what there is room for"
    assert offer(machine, body(title=title), extra=("sdxl_image_fast",)) is None
    page = browsers.open(user=owner, viewport={"width": 1280, "height": 800})
    go_live(page)

    def middle(locator: Locator) -> float:
        box = locator.bounding_box()
        assert box is not None
        return box["y"] + box["height"] / 2

    for chosen in ("Automatic", title):
        expect(page.locator("#choose-model [data-title]")).to_have_text(chosen)
        expect(page.locator("#estimate")).not_to_be_empty()
        make = page.get_by_role("button", name="Make", exact=True)
        assert abs(middle(make) - middle(page.locator("#choose-model"))) < 4
        if chosen != title:
            pick(page, title)
