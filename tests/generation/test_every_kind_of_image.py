"""Results of workers: the thumbnail shows what browsers show of the file, which is kept as it came.

Reference images, of which one canonical picture is kept: test_canonical_references.py, with the same table.
"""

from __future__ import annotations

import io

import pytest
from PIL import Image as Picture

from generation.media.formats import BrokenMedia
from generation.media.measure import measure
from tests.generation.image_kinds import (
    KINDS,
    PNG_COLOURS,
    PNG_DEPTHS,
    TOLERANCE,
    difference,
    on_white,
)

pytestmark = pytest.mark.any_database


@pytest.mark.parametrize("name", KINDS)
def test_the_thumbnail_shows_what_the_file_does(name: str) -> None:
    """Pitfall 42. That browsers show the same is seen in tests/browser/test_media_kinds.py."""
    kind = KINDS[name]
    content = io.BytesIO(kind.made())
    if kind.moves:
        with pytest.raises(BrokenMedia, match=r"holds \d pictures, where one is taken"):
            measure(content, media="image")
        return
    found = measure(content, media="image")
    assert (found.width, found.height) == kind.expected().size
    assert difference(on_white(Picture.open(io.BytesIO(found.thumbnail))), kind.expected()) < TOLERANCE


def test_the_table_has_every_depth_and_colour_type_of_png() -> None:
    found = set()
    for kind in KINDS.values():
        content = kind.made()
        if content.startswith(b"\x89PNG"):
            found.add((content[24], content[25], content[28]))
    assert set(PNG_COLOURS) == set(PNG_DEPTHS)
    assert found == {
        (depth, colours, way) for colours in PNG_DEPTHS for depth in PNG_DEPTHS[colours] for way in (0, 1)
    }
