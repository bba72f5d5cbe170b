"""The composer: everything that can be asked for arrives as asked, and nothing typed is lost."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from generation.catalog.job_types import JOB_TYPES, JobType
from tests.browser.conftest import Browsers
from tests.browser.pages import choose, go_live, make, newest, toast, write
from tests.browser.proxies import without_port_in_host
from tests.functional.callers import Machine
from tests.functional.installation import Installation


@pytest.fixture
def page(browsers: Browsers, owner: User) -> Page:
    opened = browsers.open(user=owner)
    go_live(opened)
    return opened


def open_more(page: Page) -> None:
    if page.locator("#more").get_attribute("open") is None:
        page.locator("#more summary").click()
    expect(page.get_by_label("Negative prompt")).to_be_visible()


def ask_for(page: Page, wanted: JobType) -> None:
    open_more(page)
    choose(page, "media", wanted.media)
    choose(page, "quality", wanted.quality)
    if wanted.media == "image":
        page.get_by_label("Engine").select_option(wanted.engine if not wanted.enhanced else "")
    enhance = page.locator("#id_enhance")
    if enhance.is_enabled():
        enhance.set_checked(wanted.enhanced)


def test_what_scripts_write_runs_as_its_first_letter_says(page: Page, machine: Machine) -> None:
    """A chip, an option, a refusal, and the viewer's picture: each has the direction of its own text."""
    hebrew = "מגדלור בלילה"
    open_more(page)
    page.get_by_label("Negative prompt").fill("ערפל")
    page.get_by_label("or a new project").fill("צפון")
    write(page, f"{hebrew}\x07")
    make(page)
    refusal = page.locator('[data-error="prompt"] p')
    expect(refusal).to_contain_text("U+0007 at line 1, column 13")
    expect(refusal).to_have_attribute("dir", "auto")
    write(page, f"\v{hebrew}")
    make(page)
    title = page.locator(".stack h2")
    expect(title).to_have_text(hebrew)
    machine.finish()
    page.locator(".stack [data-open]").first.click()
    option = page.locator("#id_project option", has_text="צפון")
    chip = page.locator("#chips .chip span", has_text="צפון")
    for written in (title, option, chip, page.get_by_role("dialog", name="Viewer").locator(".stage img")):
        expect(written).to_have_attribute("dir", "auto")
    assert title.evaluate("title => getComputedStyle(title).direction") == "rtl"
    assert chip.evaluate("chip => getComputedStyle(chip).direction") == "rtl"


def test_every_job_type_can_be_asked_for(page: Page, machine: Machine, owner: User) -> None:
    """Each arrives at the worker as chosen, fills its card, and is in the Library (pitfall 31)."""
    for name, wanted in JOB_TYPES.items():
        for quantity in wanted.quantities if name == "sdxl_image_high" else wanted.quantities[-1:]:
            ask_for(page, wanted)
            if wanted.engine == "sdxl":
                choose(page, "quantity", str(quantity))
            write(page, f"{name} {quantity}")
            make(page)
            expect(page.locator(".stack").first.locator("h2")).to_have_text(f"{name} {quantity}")

            job = machine.finish()
            assert (job["job_type"], job["prompt"], len(job["slots"])) == (
                name,
                f"{name} {quantity}",
                quantity,
            )
            done = page.locator(f'#stack-{job["job_id"]} [data-phase="done"]')
            expect(done).to_have_count(quantity)
    page.goto("/library/")
    total = sum(
        sum(t.quantities) if n == "sdxl_image_high" else t.quantities[-1] for n, t in JOB_TYPES.items()
    )
    expect(page.locator("[data-tile]")).to_have_count(total)
    assert newest(owner).status == "completed"


def test_more_is_shown_as_chips_and_sent(page: Page, machine: Machine) -> None:
    open_more(page)
    page.get_by_label("Negative prompt").fill("fog, text")
    page.get_by_role("textbox", name="Seed").fill("0")
    page.get_by_label("or a new project").fill("Harbour")
    page.locator("#id_review").check()
    page.get_by_label("Aspect ratio").select_option("16:9")
    page.locator("#more summary").click()
    chips = page.locator("#chips .chip")
    expect(chips).to_have_text(["without fog, text", "seed 0", "Harbour", "review first"])
    write(page, "boats")
    make(page)
    expect(page.locator(".stack")).to_have_count(1)
    job = machine.finish()
    assert job["negative_prompt"] == "fog, text"
    assert job["slots"][0]["seed"] == 0, "0 is a seed (pitfall 8)"
    assert (job["parameters"]["width"], job["parameters"]["height"]) == (1344, 768)
    expect(page.locator(".stack .facts")).to_contain_text("Harbour")
    expect(page.get_by_role("button", name="Save", exact=True).first).to_be_attached()

    chips.filter(has_text="seed 0").click()
    expect(chips).to_have_text(["without fog, text", "Harbour", "review first"])
    make(page)
    expect(page.locator(".stack")).to_have_count(2)
    assert machine.finish()["slots"][0]["seed"] > 0


def test_typed_text_survives_pushes_refusals_and_a_reload(
    page: Page, machine: Machine, browsers: Browsers
) -> None:
    write(page, "the first one")
    make(page)
    expect(page.locator(".stack")).to_have_count(1)

    prompt = page.get_by_role("textbox", name="Prompt", exact=True)
    prompt.fill("half a senten")
    machine.finish()
    expect(page.locator('[data-phase="done"]')).to_have_count(1)
    expect(prompt).to_be_focused()
    page.keyboard.type("ce")
    expect(prompt).to_have_value("half a sentence")

    open_more(page)
    page.get_by_role("textbox", name="Seed").fill("-1")
    make(page)
    expect(page.locator('[data-error="seed"]')).to_contain_text("A seed is a whole number")
    expect(prompt).to_have_value("half a sentence")
    expect(page.get_by_role("textbox", name="Seed")).to_be_focused()
    page.get_by_role("textbox", name="Seed").fill("")

    browsers.network_is_cut = True
    page.context.set_offline(True)
    make(page)
    expect(toast(page)).to_contain_text("The server did not answer")
    expect(prompt).to_have_value("half a sentence")
    page.context.set_offline(False)
    go_live(page)
    browsers.network_is_cut = False

    page.reload()
    expect(prompt).to_have_value("half a sentence")
    make(page)
    expect(page.locator(".stack")).to_have_count(2)


def test_ctrl_enter_sends_once(page: Page, owner: User) -> None:
    write(page, "by keyboard")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".stack h2")).to_have_text(["by keyboard"])
    assert owner.jobs.count() == 1


def test_an_example_fills_the_composer(page: Page) -> None:
    example = page.locator("[data-example]").nth(1)
    words = example.inner_text()
    example.click()
    expect(page.get_by_role("textbox", name="Prompt", exact=True)).to_have_value(words)
    expect(page.get_by_role("textbox", name="Prompt", exact=True)).to_be_focused()
    make(page)
    expect(page.locator(".stack h2")).to_have_text([words])
    expect(example).to_be_hidden()


def test_an_empty_prompt_is_refused_in_words(page: Page, owner: User) -> None:
    make(page)
    expect(page.locator('[data-error="prompt"]')).not_to_be_empty()
    expect(page.get_by_role("textbox", name="Prompt", exact=True)).to_be_focused()
    assert not owner.jobs.exists()


def test_a_page_behind_a_proxy_that_drops_the_port_says_so(
    live: Installation, browsers: Browsers, owner: User
) -> None:
    """It said that its user was signed out, and loaded itself anew; as a plain page it blamed another tab."""
    browsers.network_is_cut = True  # Chromium itself writes about the 403, and about the socket
    with without_port_in_host(live.port) as address:
        page = browsers.open(f"{address}/", user=owner)
        write(page, "a lighthouse")
        make(page)
        expect(toast(page)).to_contain_text("an address that the site does not know as its own")
        expect(page.get_by_role("textbox", name="Prompt", exact=True)).to_have_value("a lighthouse")
        plain = browsers.context(owner, java_script_enabled=False).new_page()
        plain.goto(f"{address}/")
        write(plain, "a lighthouse")
        make(plain)
        expect(plain.get_by_text("an address that the site does not know as its own")).to_be_visible()
