"""Finding by content, with real pictures, a real embedder and pgvector."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from django.db import connection
from playwright.sync_api import Locator, Page, expect

from generation.assets.embeddings import model
from generation.models import Asset, Embedding, TextEmbedding
from tests.browser.conftest import Browsers
from tests.browser.pages import go_live
from tests.functional.installation import Installation
from tests.functional.programs import eventually

WARM, COLD = "a golden desert at sunset", "a blue ocean wave"


@pytest.fixture
def without_embedder(live: Installation) -> Iterator[None]:
    """There are embeddings, and nobody answers what a text means until the test does."""
    if connection.vendor != "postgresql":
        pytest.skip("needs pgvector")
    model.enable()
    model.adopt(name="clip", dimensions=16, thresholds={"image": [0.5, 0.9], "text": [0.5, 0.9]})
    yield
    model.disable()


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


def answer() -> None:
    TextEmbedding.objects.update(vector=[1.0, *[0.0] * 15])


def looking(page: Page) -> Locator:
    return page.get_by_role("heading", name="Looking…")


@pytest.mark.usefixtures("without_embedder")
@pytest.mark.parametrize("control", ["Kind", "Favourites"])
def test_what_is_looked_for_is_shown_to_whoever_used_a_filter(
    browsers: Browsers, owner: User, control: str
) -> None:
    """The control has the focus on the page that follows."""
    page = browsers.open("/library/?meaning=a+harbour", user=owner)
    used = page.get_by_label(control, exact=True)
    if control == "Kind":
        used.select_option("image")
    else:
        used.check(force=True)
    expect(page).to_have_url(re.compile("media=image|favourite=1"))
    expect(looking(page)).to_be_visible()
    expect(used).to_be_focused()
    answer()
    expect(page.get_by_role("heading", name="Nothing fits")).to_be_visible(timeout=10_000)


@pytest.mark.usefixtures("without_embedder")
def test_what_somebody_writes_or_chooses_meanwhile_is_kept(browsers: Browsers, owner: User) -> None:
    """Pitfall 38."""
    page = browsers.open("/library/?meaning=a+harbour", user=owner)
    words = page.get_by_role("searchbox")
    words.fill("boats")
    answer()
    page.wait_for_timeout(2500)
    expect(words).to_have_value("boats")
    expect(looking(page)).to_be_visible()
    words.fill("")
    expect(looking(page)).to_be_hidden(timeout=10_000)

    page.goto("/library/?meaning=two+harbours")
    page.get_by_role("button", name="More filters").click()
    page.get_by_label("Shape").select_option("square")
    answer()
    page.wait_for_timeout(2500)
    expect(page.get_by_label("Shape")).to_have_value("square")
    page.keyboard.press("Escape")
    expect(looking(page)).to_be_hidden(timeout=10_000)
