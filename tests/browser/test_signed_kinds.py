"""Chromium shows a signed file as it shows the one that came."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.browser.test_media_kinds import shown
from tests.generation import test_manifests
from tests.generation.test_manifests import FILES, stored

chain, signing_pool = test_manifests.chain, test_manifests.signing_pool  # its fixtures


@pytest.mark.usefixtures("signing_pool")
@pytest.mark.parametrize("name", ["png", "jpeg", "webp", "mp4", "mp4 with sound", "mp4 in fragments"])
def test_chromium_shows_what_is_signed(browser: Browser, name: str) -> None:
    content_type, make, _ = FILES[name]
    before = make()
    after = stored(before, content_type.partition("/")[0])
    assert after != before
    with browser.new_page() as page:
        (picture, duration), (again, lasts) = (shown(page, each, content_type) for each in (before, after))
    assert (again.tobytes(), lasts) == (picture.tobytes(), duration)
