"""A video with sound: silent while the pointer rests on its tile, heard in the viewer."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Locator, expect

from tests.browser.conftest import Browsers
from tests.functional.callers import Machine
from tests.functional.installation import Installation
from tests.generation.video_kinds import video

# What Chromium has decoded of its sound so far, in bytes; -1 while it is muted.
HEARD = "(film) => (film.muted || !film.volume ? -1 : film.webkitAudioDecodedByteCount)"


def plays_with_sound(film: Locator) -> None:
    expect(film).to_have_js_property("controls", value=True)
    expect(film).to_have_js_property("muted", value=False)
    film.evaluate("(film) => film.play()")
    film.page.wait_for_function(f"(film) => ({HEARD})(film) > 0", arg=film.element_handle())


@pytest.mark.parametrize(
    ("container", "codec", "sound"), [("mp4", "libx264", "aac"), ("webm", "libvpx", "libopus")]
)
def test_a_video_with_sound_is_heard(
    live: Installation,
    machine: Machine,
    browsers: Browsers,
    owner: User,
    container: str,
    codec: str,
    sound: str,
) -> None:
    live.person(owner).submit("video_fast", "a band that plays")
    work = machine.lease()
    film = video(container, codec, size=(320, 192), sound=sound)
    machine.report(
        work, {"image_index": None, "status": "completed", "upload_id": machine.upload(work, 0, film)}
    )

    page = browsers.open("/library/", user=owner, reduced_motion="no-preference")
    tile = page.locator("[data-tile]").first
    tile.hover()
    hovered = tile.locator("video[data-playing]")
    expect(hovered).to_have_js_property("muted", value=True)

    tile.locator("[data-open]").click()
    viewer = page.get_by_role("dialog", name="Viewer")
    plays_with_sound(viewer.locator("video"))
    expect(viewer.locator("dt", has_text="Sound").locator("+ dd")).to_have_text("yes")

    page.goto(str(tile.locator("a[data-open]").get_attribute("href")))
    plays_with_sound(page.locator("main video"))
