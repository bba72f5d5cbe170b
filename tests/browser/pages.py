"""What the tests read off the pages and press on them."""

from __future__ import annotations

import re

from django.contrib.auth.models import User
from playwright.sync_api import Locator, Page, expect

from generation.models import Job


def go_live(page: Page) -> None:
    """Wait until the page's socket has caught up."""
    expect(page.locator("#live")).to_have_attribute("data-state", "live")


def write(page: Page, prompt: str) -> None:
    page.get_by_role("textbox", name="Prompt", exact=True).fill(prompt)


def choose(page: Page, field: str, value: str) -> None:
    """Press one of the composer's segments, as a finger would: the label."""
    page.locator(f'[data-field="{field}"] label:has(input[value="{value}"])').click()


def make(page: Page) -> None:
    page.get_by_role("button", name="Make").click()


def stack(page: Page, job: Job | str) -> Locator:
    return page.locator(f"#stack-{job if isinstance(job, str) else job.pk}")


def cards(page: Page, phase: str = "") -> Locator:
    return page.locator(f'.card[data-phase="{phase}"]' if phase else ".card[data-phase]")


def toast(page: Page) -> Locator:
    return page.locator("[data-toast]")


def press_in_menu(page: Page, opener: Locator, name: str) -> None:
    """Open a ⋯ menu and press an entry."""
    opener.click()
    page.locator(".menu:popover-open").get_by_role("button", name=name).click()


def newest(owner: User) -> Job:
    return Job.objects.of(owner.pk).with_slots().order_by("-id")[0]


def shown(page: Page) -> str:
    """The stacks' HTML as it stands, without white space, order of attributes, time left, way in."""
    html: str = page.locator("#stacks").evaluate(
        """(stacks) => {
          const copy = stacks.cloneNode(true);
          for (const node of copy.querySelectorAll("*")) {
            node.classList.remove("is-new");
            const given = [...node.attributes].map(({name, value}) => [name, value]).sort();
            for (const [name] of given) node.removeAttribute(name);
            for (const [name, value] of given) node.setAttribute(name, value);
          }
          return copy.innerHTML;
        }"""
    )
    html = re.sub(r"about \d+ (s|min) left", "some time left", html)
    html = re.sub(r"(\d+ (h|min|s) )+so far", "some time so far", html)
    return re.sub(r"\s*\n\s*|> <", lambda found: "><" if found.group() == "> <" else "", html)


def never_reloaded(page: Page) -> None:
    """From here on `is_same_page` tells whether the page was loaded again."""
    page.evaluate("window.sinceTheBeginning = true")


def is_same_page(page: Page) -> bool:
    return bool(page.evaluate("window.sinceTheBeginning === true"))
