"""The draft: all that is in the composer is kept in its tab until it is sent, for its user alone."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.utils import timezone
from playwright.sync_api import FilePayload, Page, expect

from generation.core.keyset import cursor_of
from generation.models import Image
from tests.acting import create_project
from tests.browser.conftest import Browsers
from tests.browser.pages import choose, go_live, make, newest, stack, toast, write
from tests.factories import png
from tests.functional.callers import Machine
from tests.functional.installation import PASSWORD, Installation
from tests.functional.programs import eventually

FORM = """() => Object.fromEntries([...new FormData(document.getElementById("composer"))]
  .filter(([name]) => !["key", "csrfmiddlewaretoken"].includes(name)))"""
CHIPS = ["without fog, text", "seed 0", "enhanced", "Harbour", "review first"]


def form(page: Page) -> dict[str, str]:
    """All that would be sent."""
    found: dict[str, str] = page.evaluate(FORM)
    return found


def holds(page: Page, filled: dict[str, str]) -> None:
    """The form holds it again, once the page has looked for the pictures of its draft."""
    eventually(lambda: form(page) == filled, f"the form holds {form(page)}")


def open_more(page: Page) -> None:
    if page.locator("#more").get_attribute("open") is None:
        page.locator("#more summary").click()


def picture() -> FilePayload:
    return {"name": "start.png", "mimeType": "image/png", "buffer": png(300, 200, shade=9)}


def fill(page: Page) -> dict[str, str]:
    """Use every control; what would be sent then."""
    choose(page, "media", "video")
    choose(page, "quality", "high")
    open_more(page)
    page.locator("#id_enhance").check()
    page.locator("#id_review").check()
    page.get_by_label("Negative prompt").fill("fog, text")
    page.get_by_role("textbox", name="Seed").fill("0")
    page.get_by_label("Project", exact=True).select_option("Harbour")
    page.locator("#pick").set_input_files([picture()])
    expect(page.locator("#reference-chips .chip")).to_have_text(["Start frame"])
    write(page, "boats\nat dusk")
    filled = form(page)
    assert filled["references-0"].startswith("reference:")
    return filled


@pytest.fixture
def owner(live: Installation) -> User:
    user = live.user()
    create_project(owner_id=user.pk, name="Harbour")
    return user


@pytest.fixture
def page(browsers: Browsers, owner: User) -> Page:
    opened = browsers.open(user=owner)
    go_live(opened)
    return opened


def test_everything_is_kept_over_a_reload_and_another_page(page: Page, owner: User) -> None:
    """Pitfall 38. Only the prompt was."""
    filled = fill(page)
    expect(page.locator("#chips .chip")).to_have_text(CHIPS)
    page.reload()
    holds(page, filled)
    page.get_by_role("link", name="Library", exact=True).click()
    page.get_by_role("link", name="Workspace", exact=True).click()
    go_live(page)
    holds(page, filled)
    expect(page.locator("#chips .chip")).to_have_text(CHIPS)
    expect(page.locator("#reference-chips .chip")).to_have_text(["Start frame"])

    make(page)
    expect(page.locator(".stack")).to_have_count(1)
    job = newest(owner)
    assert (job.job_type, job.prompt, job.seed, job.review) == (
        "video7b_high_enhanced",
        "boats\nat dusk",
        0,
        True,
    )
    # The socket may show it before the answer has come.
    eventually(lambda: page.evaluate("Object.keys(sessionStorage)") == [], "what was sent is no draft")


def test_back_and_a_reload_after_it_lose_nothing(page: Page) -> None:
    filled = fill(page)
    page.get_by_role("link", name="Library", exact=True).click()
    go_live(page)
    page.go_back()
    go_live(page)
    holds(page, filled)
    page.reload()
    holds(page, filled)


def test_what_the_browser_itself_puts_back_is_still_a_draft(page: Page) -> None:
    """Firefox fills a reloaded form as it stood, before any script runs."""
    page.add_init_script(
        """document.addEventListener("readystatechange", () => {
          const typed = sessionStorage.getItem("once");
          if (typed === null || document.readyState !== "interactive") return;
          sessionStorage.removeItem("once");
          document.getElementById("id_prompt").value = typed;
        });"""
    )
    write(page, "boats")
    page.evaluate("sessionStorage.setItem('once', 'boats')")
    for _ in range(2):
        page.reload()
        go_live(page)
        expect(page.get_by_role("textbox", name="Prompt", exact=True)).to_have_value("boats")


@pytest.mark.parametrize(
    ("control", "value"), [("aspect", "16:9"), ("engine", "wan"), ("new_project", "Northern light")]
)
def test_each_of_the_others_is_kept_too(page: Page, control: str, value: str) -> None:
    """Those that cannot be set beside a video."""
    open_more(page)
    field = page.locator(f'#composer [name="{control}"]')
    if control == "new_project":
        field.fill(value)
    else:
        field.select_option(value)
    page.reload()
    expect(field).to_have_value(value)


def test_quantity_is_kept(page: Page) -> None:
    choose(page, "quantity", "6")
    page.reload()
    assert form(page)["quantity"] == "6"


def test_a_session_that_was_lost_loses_nothing_typed(page: Page, owner: User, browsers: Browsers) -> None:
    """Pitfall 38. "What you typed is kept" was said, and only the prompt was."""
    browsers.network_is_cut = True  # a 403 is what is wanted
    filled = fill(page)
    Session.objects.all().delete()
    make(page)
    expect(toast(page)).to_contain_text("nothing was made. Sign in again; all that is in the form is kept.")
    sign_in(page, owner)
    holds(page, filled)
    make(page)
    expect(page.locator(".stack")).to_have_count(1)


def sign_in(page: Page, user: User) -> None:
    page.get_by_label("Username").fill(user.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    go_live(page)


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Account").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()


def test_it_is_its_users_alone(live: Installation, page: Page, owner: User) -> None:
    """Pitfall 24. Who signs in again finds it; after somebody else was here, nothing is left."""
    filled = fill(page)
    sign_out(page)
    sign_in(page, owner)
    holds(page, filled)

    sign_out(page)
    other = live.user()
    sign_in(page, other)
    assert form(page)["prompt"] == ""
    expect(page.locator("#chips .chip")).to_have_count(0)
    expect(page.locator("#references > li")).to_have_count(0)
    assert "boats" not in page.evaluate("JSON.stringify({...sessionStorage, ...localStorage})")


def test_what_a_browser_does_not_keep_is_said(browsers: Browsers, owner: User) -> None:
    context = browsers.context(owner)
    context.add_init_script("Storage.prototype.setItem = () => { throw new DOMException('full'); }")
    page = context.new_page()
    page.goto("/")
    write(page, "a long prompt")
    browsers.network_is_cut = True  # a 403 is what is wanted
    Session.objects.all().delete()
    make(page)
    expect(toast(page)).to_contain_text("This browser keeps nothing: copy what you typed")
    page.wait_for_timeout(3000)
    expect(page.get_by_role("textbox", name="Prompt", exact=True)).to_have_value("a long prompt")


def test_a_prompt_used_again_gives_the_draft_back(
    live: Installation, page: Page, machine: Machine, owner: User
) -> None:
    """Pitfall 38. It was overwritten without a word."""
    job = live.person(owner).submit(prompt="an old one")
    filled = fill(page)
    stack(page, job).get_by_role("link", name="More for this job").click()
    page.get_by_role("link", name="Edit and run").click()
    expect(page.get_by_role("textbox", name="Prompt", exact=True)).to_have_value("an old one")
    expect(page.locator("#chips .chip")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    holds(page, filled)
    page.reload()
    holds(page, filled)


def test_without_a_draft_nothing_is_offered_back(live: Installation, page: Page, owner: User) -> None:
    job = live.person(owner).submit(prompt="an old one")
    page.goto(f"/?from={job}")
    expect(page.get_by_role("textbox", name="Prompt", exact=True)).to_have_value("an old one")
    expect(page).to_have_url(f"{live.address}/")
    expect(toast(page)).to_have_count(0)
    page.reload()
    expect(page.get_by_role("textbox", name="Prompt", exact=True)).to_have_value("an old one")


@pytest.fixture
def image(live: Installation, machine: Machine, owner: User) -> Image:
    live.person(owner).submit(prompt="the first one")
    machine.finish()
    return Image.objects.get(owner=owner)


def test_a_picture_that_is_used_joins_the_draft(page: Page, image: Image) -> None:
    """Pitfall 38. "Use as reference" put everything back to what was sent last."""
    filled = fill(page)
    page.goto(f"/library/image/{image.pk}/")
    page.get_by_role("link", name="Use as reference").click()
    expect(page.locator("#reference-chips .chip")).to_have_text(["Start frame", "End frame"])
    now = form(page)
    assert now["references-1"] == f"image:{image.pk}"
    assert filled.items() <= now.items()


def test_what_cannot_use_a_picture_gives_way_and_comes_back(page: Page, image: Image) -> None:
    open_more(page)
    page.get_by_label("Engine").select_option("wan")
    write(page, "by WAN")
    before = form(page)
    page.goto(f"/?image={image.pk}")
    expect(page.locator("#reference-chips .chip")).to_have_text(["Style 60 %"])
    assert form(page)["engine"] == ""
    assert form(page)["prompt"] == "by WAN"
    page.get_by_role("button", name="Undo").click()
    assert form(page) == before
    expect(page.locator("#chips .chip")).to_have_text(["WAN"])


def test_two_tabs_have_drafts_of_their_own(page: Page) -> None:
    second = page.context.new_page()
    second.goto("/")
    write(page, "here")
    write(second, "there")
    for tab, prompt in ((page, "here"), (second, "there")):
        tab.reload()
        expect(tab.get_by_role("textbox", name="Prompt", exact=True)).to_have_value(prompt)


def test_older_work_leads_to_the_newest_after_a_press(page: Page, owner: User, live: Installation) -> None:
    live.person(owner).submit(prompt="an old one")
    cursor = cursor_of(timezone.now() + timedelta(days=1), UUID(int=0))
    page.goto(f"/?cursor={quote(cursor)}")
    write(page, "from below")
    make(page)
    expect(page).to_have_url(f"{live.address}/")
    expect(page.locator(".stack h2")).to_have_text(["an old one", "from below"])  # in the order of the queue
    assert page.evaluate("Object.keys(sessionStorage)") == []


def test_the_plain_form_gives_back_what_was_typed(browsers: Browsers, owner: User) -> None:
    page = browsers.open(user=owner, java_script_enabled=False)
    write(page, "written without a script")
    Session.objects.all().delete()
    browsers.network_is_cut = True  # a 403 is what is wanted
    page.get_by_role("button", name="Make").click()
    expect(page.get_by_role("heading", name="Not sent")).to_be_visible()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("written without a script")
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()
