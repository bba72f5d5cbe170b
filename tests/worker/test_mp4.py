"""Our films: what players read back is what was written."""

from __future__ import annotations

import io
from typing import Any

import av
import numpy as np
import pytest

from ourvidz_worker.engines.mp4 import BT_709, mp4

PATCHES = [(200, 30, 30), (30, 180, 40), (30, 60, 200), (220, 180, 140), (128, 128, 128), (240, 220, 30)]
SIDE = 64


def striped(height: int, width: int) -> Any:
    rows = np.repeat(np.array(PATCHES, np.uint8), SIDE, axis=0)
    return np.tile(rows[:height, None], (1, width, 1))


def moving(height: int, width: int, count: int) -> list[Any]:
    """Soft shapes that drift: what an encoder's decisions depend on."""
    down, across = np.mgrid[0:height, 0:width]
    waves = [down / 29 + across / (31 + tone) for tone in (0, 7, 13)]
    frames = [np.stack([127 + 120 * np.sin(wave + at / 5) for wave in waves], -1) for at in range(count)]
    return [frame.astype(np.uint8) for frame in frames]


def decoded(media: bytes) -> tuple[list[Any], Any]:
    with av.open(io.BytesIO(media), "r") as container:
        frames = list(container.decode(video=0))
    return frames, frames[0]


def test_the_colours_come_back_and_the_file_says_which_they_are() -> None:
    """A player without a tag takes one matrix for small films and another for tall ones."""
    _, frame = decoded(mp4([striped(6 * SIDE, 96)] * 3, width=96, height=6 * SIDE, fps=16))
    assert (frame.colorspace, frame.color_primaries, frame.color_trc) == (BT_709, BT_709, BT_709)
    assert frame.color_range == 1  # "limited", as players expect of films
    seen = frame.to_ndarray(format="rgb24")
    for number, patch in enumerate(PATCHES):
        middle = seen[number * SIDE + SIDE // 2, 48].astype(int)
        assert np.abs(middle - patch).max() <= 4, (patch, middle)


@pytest.mark.parametrize(("width", "height"), [(480, 832), (832, 480)])
def test_the_same_frames_give_the_same_bytes(width: int, height: int) -> None:
    frames = moving(height, width, 24)
    first = mp4(frames, width=width, height=height, fps=16)
    assert all(mp4(frames, width=width, height=height, fps=16) == first for _ in range(5))


def test_an_odd_row_and_column_are_cut_off() -> None:
    frames, frame = decoded(mp4([striped(65, 67)] * 2, width=67, height=65, fps=16))
    assert (len(frames), frame.width, frame.height) == (2, 66, 64)


def test_it_plays_before_it_is_whole() -> None:
    media = mp4([striped(64, 64)] * 2, width=64, height=64, fps=16)
    assert 0 < media.index(b"moov") < media.index(b"mdat")
