"""Finding by content, with real pictures, a real embedder and pgvector."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from django.db import connection
from playwright.sync_api import Page, expect

from generation.assets.embeddings import model
from generation.models import Asset, Embedding
from tests.browser.conftest import Browsers
from tests.browser.pages import go_live
from tests.functional.installation import Installation
from tests.functional.programs import eventually

WARM, COLD = "a golden desert at sunset", "a blue ocean wave"


@pytest.fixture
def desert(live: Installation, owner: User) -> Iterator[Asset]:
    """One of three pictures of a desert, beside three of the sea, all embedded."""
    if connection.vendor != "postgresql":
        pytest.skip("needs pgvector")
    model.enable()
    live.worker()
    live.embedder()
    for prompt in (WARM, COLD):
        live.person(owner).submit(prompt=prompt, quantity=3)
    made = Embedding.objects.filter(owner_id=owner.pk, vector__isnull=False)
    eventually(lambda: made.count() == 6, "not everything is embedded", seconds=120)
    yield Asset.objects.filter(owner_id=owner.pk, prompt=WARM)[0]
    model.disable()


def prompts(page: Page) -> list[str]:
    return page.locator("[data-tile] img").evaluate_all("(images) => images.map((image) => image.alt)")


def test_similar_ones_and_what_is_to_be_seen(
    desert: Asset, live: Installation, browsers: Browsers, owner: User
) -> None:
    page = browsers.open("/library/", user=owner)
    go_live(page)
    expect(page.locator("[data-tile]")).to_have_count(6)

    # From the viewer to what looks alike
    page.locator(f'[data-tile][data-id="{desert.pk}"] [data-open]').click()
    page.get_by_role("link", name="Find similar").click()
    expect(page.locator("#count")).to_have_text("3 results, the most alike first")
    go_live(page)
    expect(page.locator("[data-tile]").first).to_have_attribute("data-id", str(desert.pk))
    assert prompts(page) == [WARM] * 3
    expect(page.locator("#scrubber")).to_be_hidden()
    assert Axe().run(page).violations_count == 0

    # What changes elsewhere is seen here, and moves nothing
    order = page.locator("[data-tile]").evaluate_all("(tiles) => tiles.map((tile) => tile.dataset.id)")
    live.person(owner).post("/library/favourite", {"asset": order[1]})
    marked = page.locator("[data-tile]").nth(1)
    expect(marked.locator(".marks")).to_be_visible()
    expect(marked).to_have_attribute("data-id", order[1])
    live.person(owner).post("/library/discard", {"asset": order[2]})
    expect(page.locator("[data-tile]")).to_have_count(2)

    # In words, which a worker is asked for
    page.get_by_role("button", name="More filters").click()
    page.get_by_label("Looks like").fill("blue waves")
    page.get_by_label("Looks like").press("Enter")
    expect(page.locator("#count")).to_have_text("3 results, the most alike first")
    assert prompts(page) == [COLD] * 3
    expect(page).to_have_url(re.compile(r"meaning=blue\+waves"))
    page.go_back()
    expect(page.locator("#count")).to_have_text("2 results, the most alike first")
