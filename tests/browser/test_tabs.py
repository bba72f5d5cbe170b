"""Several tabs, lines that break, and people who share a browser."""

from __future__ import annotations

import difflib
import time

from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Page, expect

from generation.models import Uptime
from tests.browser.conftest import Browsers
from tests.browser.pages import cards, go_live, is_same_page, make, never_reloaded, shown, stack, write
from tests.functional.callers import Machine, failure
from tests.functional.installation import PASSWORD, Installation
from tests.functional.pages import Socket
from tests.functional.programs import eventually


def cut_off(page: Page) -> None:
    page.context.set_offline(True)
    page.evaluate("window.sockets.at(-1).close()")
    expect(page.locator("#live")).to_have_attribute("data-state", "offline")


def assert_alike(*pages: Page) -> None:
    """As soon as all is quiet the pages show the same; if not, where they differ."""
    limit = time.monotonic() + 30
    while len({shown(page) for page in pages}) > 1:
        if time.monotonic() > limit:
            first, *others = [shown(page).replace("><", ">\n<").splitlines() for page in pages]
            differences = [line for other in others for line in difflib.unified_diff(first, other, n=0)]
            raise AssertionError("\n".join(differences))


def test_a_tab_that_was_offline_catches_up_without_a_reload(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    """Pitfall 23: everything that can change, changed meanwhile: new, filled, failed, discarded, cleared."""
    person = live.person(owner)
    finished, half = person.submit(prompt="finished"), person.submit(prompt="half", quantity=3)
    machine.finish()
    work = machine.lease()
    here, away = browsers.open(user=owner), browsers.open(user=owner)
    for page in (here, away):
        go_live(page)
        never_reloaded(page)
    browsers.network_is_cut = True
    cut_off(away)

    machine.deliver(work, 0)
    machine.report(work, failure(work, 1), status="completed")  # and slot 2 is open: tried again
    again = machine.lease()
    machine.deliver(again, 2, status="completed")
    discarded = stack(here, half).locator('[data-phase="done"]').first
    discarded.hover()
    discarded.get_by_role("button", name="Discard").first.click()
    stack(here, finished).get_by_role("link", name="More for this job").click()
    here.get_by_role("button", name="Clear from the Workspace").click()
    write(here, "while away")
    make(here)
    new = machine.lease()
    expect(here.locator(".stack")).to_have_count(2)
    expect(stack(here, half)).to_have_attribute("data-status", "partial")
    expect(cards(here, "running")).to_have_count(1)
    assert shown(away) != shown(here)

    away.context.set_offline(False)
    go_live(away)
    fresh = browsers.open(user=owner)
    assert_alike(here, away, fresh)
    assert is_same_page(away)
    machine.deliver(new, 0, status="completed")
    for page in (here, away):
        expect(stack(page, new["job_id"]).locator('[data-phase="done"]')).to_have_count(1)
    assert_alike(here, away)
    assert is_same_page(here)


def test_a_server_that_was_away_changes_nothing_for_the_reader(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    """Pitfall 23, the other end of the line: the server is killed and what changed after it is shown."""
    job = live.person(owner).submit(quantity=3)
    page = browsers.open(user=owner)
    go_live(page)
    never_reloaded(page)
    browsers.network_is_cut = True
    live.kill_server()
    expect(page.locator("#live")).to_have_attribute("data-state", "offline")
    live.start()
    work = machine.lease()
    machine.deliver(work, 0, 1, 2, status="completed")
    expect(stack(page, job).locator('[data-phase="done"]')).to_have_count(3)
    assert is_same_page(page)


def test_a_page_too_many_says_so_and_goes_on_when_there_is_room(
    live: Installation, browsers: Browsers, owner: User
) -> None:
    person = live.person(owner)
    others = [Socket(person) for _ in range(128)]
    page = browsers.open(user=owner)
    never_reloaded(page)
    expect(page.locator("#live")).to_have_attribute("data-state", "too-many")
    expect(page.locator("#live")).to_have_text("too many pages")
    for other in others:
        other.close()
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    assert is_same_page(page)


def test_nobody_elses_work_is_heard_or_seen(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    stranger = browsers.context(live.user()).new_page()
    frames: list[str] = []
    stranger.on(
        "websocket", lambda socket: socket.on("framereceived", lambda frame: frames.append(str(frame)))
    )
    stranger.goto("/")
    go_live(stranger)
    page = browsers.open(user=owner)
    go_live(page)
    write(page, "a secret garden")
    make(page)
    job = machine.lease()
    machine.heartbeat(job, 50, "sketching")
    machine.deliver(job, 0, status="completed")
    expect(cards(page, "done")).to_have_count(1)
    # A question and its answer: whatever was on its way before them has arrived.
    before = len(frames)
    stranger.evaluate("window.sockets.at(-1).send(JSON.stringify({type: 'ping'}))")
    eventually(lambda: stranger.evaluate("1") and len(frames) > before)
    assert frames
    assert not any(job["job_id"] in frame or "secret" in frame for frame in frames)
    expect(stranger.locator(".stack")).to_have_count(0)


def test_the_next_person_at_this_browser_sees_nothing_of_the_last(
    live: Installation, browsers: Browsers, machine: Machine, owner: User
) -> None:
    """Pitfall 24, in every tab, also by the back button."""
    live.person(owner).submit(prompt="a secret garden")
    machine.finish()
    other = live.user()
    context = browsers.context(owner)
    first, second = context.new_page(), context.new_page()
    first.goto("/")
    second.goto("/library/")
    for page in (first, second):
        go_live(page)
    write(first, "a secret wish")

    first.bring_to_front()
    first.get_by_role("button", name="Account").click()
    first.get_by_role("button", name="Sign out").click()
    for page in (first, second):
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    first.get_by_label("Username").fill(other.username)
    first.get_by_label("Password").fill(PASSWORD)
    first.get_by_role("button", name="Sign in").click()
    go_live(first)
    expect(first.get_by_role("heading", name="What do you want to see?")).to_be_visible()
    expect(first.get_by_role("textbox", name="Prompt", exact=True)).to_have_value("")
    second.goto("/library/")
    go_live(second)
    for page in (first, second):
        assert "secret" not in page.content()
    first.go_back()
    first.go_back()
    expect(first.locator("body")).not_to_contain_text("secret")
    assert f'data-user="{owner.pk}"' not in first.content()


def test_a_page_loads_itself_afresh_when_the_database_was_restored(
    live: Installation, browsers: Browsers, owner: User
) -> None:
    """Also when the restored one has counted past the page's revision, which then says something else."""
    person = live.person(owner)
    person.submit(prompt="before")
    page = browsers.open(user=owner)
    go_live(page)
    never_reloaded(page)
    Uptime.objects.update(epoch=timezone.now())  # as the first beat after the gap writes it
    new = person.submit(prompt="after")
    expect(stack(page, new)).to_have_count(1)
    assert not is_same_page(page)
