"""The account page in a real browser: a token that is shown once, and signing out everywhere else."""

from __future__ import annotations

import re

from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from generation.models import PersonalToken
from tests.browser.conftest import Browsers
from tests.browser.pages import go_live
from tests.functional.installation import PASSWORD


def signed_in(browsers: Browsers, owner: User) -> Page:
    page = browsers.context().new_page()
    page.goto("/sign-in/?next=/account/")
    page.get_by_label("Username").fill(owner.get_username())
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Account")).to_be_visible()
    return page


def test_a_token_is_shown_once_and_a_reload_makes_no_other(browsers: Browsers, owner: User) -> None:
    page = signed_in(browsers, owner)
    page.get_by_label("What is it for?").fill("backups")
    page.get_by_label("It ends after").select_option("30")
    page.get_by_role("button", name="Create token").click()
    expect(page.locator("#new-token")).to_have_text(re.compile(r"^ovu_[\w-]{40,}$"))
    expect(page.locator(".tokens").first).to_contain_text("Not used yet")

    page.reload()  # sends the form again
    expect(page.get_by_role("alert")).to_contain_text("made before")
    expect(page.locator("#new-token")).to_have_count(0)
    assert PersonalToken.objects.filter(owner=owner).count() == 1


def test_signing_out_everywhere_else_closes_the_other_browsers_pages(browsers: Browsers, owner: User) -> None:
    """pitfall 52: at once, without a reload."""
    other = signed_in(browsers, owner)
    other.goto("/")
    go_live(other)
    here = signed_in(browsers, owner)
    expect(here.get_by_text("this one")).to_be_visible()
    here.get_by_role("button", name="Sign out everywhere else").click()
    expect(here.locator("[data-toast]")).to_contain_text("1 other sign-in ended")
    other.wait_for_url("**/sign-in/**")
    here.goto("/")
    go_live(here)
