"""PNG, in half the processor time that Pillow's encoder takes, and on several cores.

Pillow tries five filters on each row. Here every row is told by its differences from left to right, which
serves pictures as well, and bands of rows are compressed side by side. A GPU waits for this.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL.PngImagePlugin import PngInfo

from ourvidz_worker.engines.base import Pixels

SIGNATURE = b"\x89PNG\r\n\x1a\n"
SUBTRACT_LEFT = 1
RGB = (8, 2, 0, 0, 0)  # bits, colour type, compression, filters, not interlaced
BANDS = 4  # always, so that the same pixels give the same bytes on every machine


def png(pixels: Pixels, *, parameters: str = "") -> bytes:
    """`parameters` goes into the text chunk of that name, where the tools of this field look."""
    height, width, _ = pixels.shape
    told = PngInfo()
    if parameters:
        told.add_text("parameters", parameters)  # tEXt, or iTXt where Latin-1 does not suffice
    chunks = [
        (b"IHDR", struct.pack(">II5B", width, height, *RGB)),
        *((name, content) for name, content, *_ in told.chunks),
        (b"IDAT", _deflated(_filtered(pixels))),
        (b"IEND", b""),
    ]
    return b"".join([SIGNATURE, *(part for chunk in chunks for part in _framed(*chunk))])


def _framed(name: bytes, content: bytes) -> Iterator[bytes]:
    yield struct.pack(">I", len(content))
    yield name
    yield content
    yield struct.pack(">I", zlib.crc32(content, zlib.crc32(name)))


def _filtered(pixels: Pixels) -> memoryview:
    """Each row: the number of its filter, its first pixel, the differences of the others."""
    height, width, _ = pixels.shape
    flat = pixels.reshape(height, 3 * width)
    rows = np.empty((height, 1 + 3 * width), np.uint8)
    rows[:, 0] = SUBTRACT_LEFT
    rows[:, 1:4] = flat[:, :3]
    np.subtract(flat[:, 3:], flat[:, :-3], out=rows[:, 4:])
    return memoryview(rows.tobytes())


def _deflated(content: memoryview) -> bytes:
    size = -(-len(content) // BANDS)
    bands = [content[start : start + size] for start in range(0, len(content), size)]
    ends = [zlib.Z_SYNC_FLUSH] * (len(bands) - 1) + [zlib.Z_FINISH]
    with ThreadPoolExecutor(BANDS) as pool:
        parts = list(pool.map(_band, bands, ends))
    return b"".join([b"\x78\x01", *parts, struct.pack(">I", zlib.adler32(content))])


def _band(content: memoryview, end: int) -> bytes:
    """Raw deflate. Runs only: grain has nothing else to repeat, and looking for it takes most of the time."""
    compressor = zlib.compressobj(1, zlib.DEFLATED, -15, 9, zlib.Z_RLE)
    return compressor.compress(content) + compressor.flush(end)
