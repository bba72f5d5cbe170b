"""Files brought in on the Library, each with its progress; what is taken shows there by itself."""

from __future__ import annotations

import base64

from django.contrib.auth.models import User
from playwright.sync_api import FilePayload, expect

from generation.models import Asset
from tests.browser.conftest import Browsers
from tests.browser.pages import go_live, is_same_page, never_reloaded
from tests.browser.test_references import CARRY
from tests.factories import png
from tests.generation.parameter_files import INFOTEXT, png_with


def test_three_files_are_brought_in(browsers: Browsers, owner: User) -> None:
    """A whole one, a broken one and the first again under another name; then one that is dropped."""
    page = browsers.open("/library/", user=owner)
    go_live(page)
    never_reloaded(page)
    # The refusals are answers of 4xx, which a browser notes by itself.
    whole = png_with({"parameters": INFOTEXT})
    page.get_by_role("button", name="More of the Library").click()
    page.get_by_role("link", name="Bring in files").first.click()
    panel = page.get_by_role("complementary", name="Bring in files")
    expect(panel).to_be_visible()
    files: list[FilePayload] = [
        {"name": "whole.png", "mimeType": "image/png", "buffer": whole},
        {"name": "broken.png", "mimeType": "image/png", "buffer": whole[:-100]},
        {"name": "again.png", "mimeType": "image/png", "buffer": whole},
        {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no picture"},
    ]
    page.locator("#import-files").set_input_files(files)
    expect(panel.get_by_role("status")).to_have_text(
        "1 of 4 brought in, 1 there already, 2 not taken.", timeout=30_000
    )
    expect(panel.locator("li", has_text="broken.png")).to_contain_text("cut off")
    expect(panel.locator("li", has_text="notes.txt")).to_contain_text("No PNG, JPEG, WebP, MP4 or WebM.")
    tile = page.locator("#grid [data-open]")
    expect(tile).to_have_count(1)
    expect(tile).to_have_accessible_name("a lighthouse, (stormy sea:1.2) warm light")

    page.mouse.move(0, 0)  # what the pointer is on stays where it is: a new result would wait
    data = base64.b64encode(png(300, 200)).decode()
    carried = page.evaluate_handle(CARRY, ["dropped.png", "image/png", data])
    page.locator("#main").dispatch_event("drop", {"dataTransfer": carried})
    expect(page.locator("#grid [data-open]")).to_have_count(2)
    expect(page.locator("#grid [data-open] img").first).to_have_attribute("alt", "dropped")
    assert is_same_page(page)
    browsers.problems[:] = [each for each in browsers.problems if "status of 4" not in each]
    assert Asset.objects.of(owner.pk).filter(status="completed").count() == 2
