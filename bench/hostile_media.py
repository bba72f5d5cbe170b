"""Small files that cost a decoder much: many scans, many pixels, many samples that are not there."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from tests.factories import mp4

SCANS = 90
SIDE = 8000
SAMPLES = 20_000_000


def write_hostile_media(folder: Path) -> tuple[list[str], str]:
    """The paths of the pictures, and of the movie."""
    files = {"scans.jpeg": many_scans(), "pixels.webp": many_pixels(), "samples.mp4": many_samples()}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return [str(folder / "scans.jpeg"), str(folder / "pixels.webp")], str(folder / "samples.mp4")


def many_scans() -> bytes:
    """A progressive JPEG whose last refinement comes again and again."""
    out = io.BytesIO()
    Image.effect_noise((3000, 3000), 20).save(out, "JPEG", progressive=True, quality=30)
    *before, last = out.getvalue().removesuffix(b"\xff\xd9").split(b"\xff\xda")
    return b"\xff\xda".join([*before, *[last] * SCANS]) + b"\xff\xd9"


def many_pixels() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE), (90, 120, 160)).save(out, "WEBP", method=0, quality=10)
    return out.getvalue()


def many_samples() -> bytes:
    """A movie of eight frames whose tables claim millions of one byte each."""
    movie = bytearray(mp4())
    count = SAMPLES.to_bytes(4, "big")
    sizes, times, chunks = (movie.index(name) + 4 for name in (b"stsz", b"stts", b"stsc"))
    movie[sizes + 4 : sizes + 12] = (1).to_bytes(4, "big") + count
    movie[times + 8 : times + 12] = count
    movie[chunks + 12 : chunks + 16] = count
    return bytes(movie)
