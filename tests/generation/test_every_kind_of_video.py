"""Never two readers of one video: what is measured and shown in the thumbnail is what browsers play."""

from __future__ import annotations

import io

import pytest
from PIL import Image as Picture

from generation.media.formats import THUMBNAIL_EDGE, BrokenMedia
from generation.media.measure import measure
from tests.generation.image_kinds import TOLERANCE, difference
from tests.generation.video_kinds import KINDS, Shown

pytestmark = pytest.mark.any_database


@pytest.mark.parametrize("name", KINDS)
def test_a_video_is_measured_as_a_browser_shows_it_or_refused_by_what_it_is(name: str) -> None:
    """Pitfalls 42 and 43. That browsers do so is seen in tests/browser/test_media_kinds.py."""
    kind = KINDS[name]
    content = io.BytesIO(kind.made())
    if not isinstance(kind, Shown):
        with pytest.raises(BrokenMedia) as refused:
            measure(content, media="video")
        assert (refused.value.code, kind.words in refused.value.message) == (kind.code, True), refused.value
        return
    found = measure(content, media="video")
    assert (found.width, found.height, found.frames) == (*kind.size, kind.frames)
    assert found.has_audio is kind.has_audio
    assert found.duration == pytest.approx(kind.duration, abs=0.1)
    thumbnail = Picture.open(io.BytesIO(found.thumbnail))
    assert max(thumbnail.size) == min(THUMBNAIL_EDGE, max(kind.size))
    assert difference(thumbnail, kind.picture.resize(thumbnail.size)) < TOLERANCE
