"""Our own PNG writer: what every reader reads back is what was written."""

from __future__ import annotations

import io
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from generation.media.measure import measure
from ourvidz_worker.engines.png import png

CHANCE = np.random.default_rng(7)


def noise(height: int, width: int) -> Any:
    return CHANCE.integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    "pixels",
    [
        noise(64, 48),
        noise(1, 1),
        noise(3, 1),
        noise(1, 300),
        noise(257, 129),
        np.zeros((128, 128, 3), np.uint8),
        np.repeat(noise(40, 1), 50, axis=1),
        noise(64, 64)[::2, ::2],
    ],
)
def test_the_pixels_come_back(pixels: Any) -> None:
    media = png(pixels)
    with Image.open(io.BytesIO(media)) as picture:
        picture.load()
        assert (picture.format, picture.mode) == ("PNG", "RGB")
        assert np.array_equal(np.asarray(picture), pixels)
    with av.open(io.BytesIO(media), "r") as container:  # another decoder
        (frame,) = container.decode(video=0)
        assert np.array_equal(frame.to_ndarray(format="rgb24"), pixels)


def test_the_server_finds_nothing_to_complain_of() -> None:
    found = measure(io.BytesIO(png(noise(96, 128), parameters="a lighthouse")), media="image")
    assert (found.width, found.height) == (128, 96)


@pytest.mark.parametrize("text", ["a lighthouse\nSteps: 15", "ein Leuchtturm – 灯台", "x" * 5000])
def test_its_text_comes_back(text: str) -> None:
    with Image.open(io.BytesIO(png(noise(8, 8), parameters=text))) as picture:
        picture.load()
        assert picture.info["parameters"] == text


def test_a_flat_picture_is_small() -> None:
    assert len(png(np.full((1024, 1024, 3), 200, np.uint8))) < 30_000


def test_the_same_pixels_give_the_same_bytes() -> None:
    pixels = noise(300, 300)
    assert png(pixels) == png(pixels.copy())
