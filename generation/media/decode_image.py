"""Decoding images, in the decoding process only: measured, or turned into one canonical picture."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from PIL import Image, MpoImagePlugin, TiffImagePlugin, WebPImagePlugin

from generation.media import pixels
from generation.media.formats import (
    IMAGE_TYPES,
    MAX_PIXELS,
    THUMBNAIL_EDGE,
    BrokenMedia,
    Measured,
    check_pixels,
)
from generation.media.image_faults import find_fault
from generation.media.image_streams import ImageStream, find_stream, kind_of, webp_size

# Pillow loads them when they are needed, and by then the process may open no files. EXIF is a TIFF.
PLUGINS = (MpoImagePlugin, TiffImagePlugin, WebPImagePlugin)
Image.preinit()
Image.MAX_IMAGE_PIXELS = None  # the limits here decide, not Pillow's own
# What a decoder and its picture take for each pixel, and what a canonical picture beside its source takes.
DECODED_BYTES = {"PNG": 4, "JPEG": 4, "WEBP": 20}
COEFFICIENT_BYTES = 6  # that a progressive JPEG keeps beside
CANONICAL_BYTES = 8
JPEG_QUALITY = 95
PNG_LEVEL = 4  # half the time of the usual 6, and 2 % more bytes


class FileTooLong(Exception):
    """The encoded picture has more bytes than are allowed."""


class BoundedFile:
    """What an encoder writes to; it raises FileTooLong beyond `limit` bytes."""

    def __init__(self, file: BinaryIO, limit: int) -> None:
        self._file, self._limit, self._written = file, limit, 0

    def write(self, data: bytes) -> int:
        self._written += len(data)
        if self._written > self._limit:
            raise FileTooLong
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()


def measure_image(content: BinaryIO, *, max_side: int | None, memory: int) -> Measured:
    """Decode the whole image and measure it. Raises BrokenMedia."""
    with _opened(content, max_side, memory, DECODED_BYTES) as (picture, stream):
        frames = getattr(picture, "n_frames", 1)
        if frames > 1 and stream.kind != "JPEG":
            raise BrokenMedia("wrong_format", f"This file holds {frames:,} pictures, where one is taken.")
        if stream.is_arithmetic:
            raise BrokenMedia(
                "wrong_format", "This JPEG is coded arithmetically, which browsers do not show."
            )
        width, height = picture.size
        if stream.kind == "JPEG":
            # The whole file is read all the same, at a fraction of the memory and the time.
            picture.draft(None, (2 * THUMBNAIL_EDGE, 2 * THUMBNAIL_EDGE))
        picture.load()
        orientation = pixels.orientation_of(picture)  # a PNG may say it behind its pixels
        if orientation in pixels.QUARTER_TURNS:
            width, height = height, width
        return Measured(
            content_type=IMAGE_TYPES[stream.kind][0],
            width=width,
            height=height,
            **pixels.thumbnails(picture, orientation=orientation),
        )


def canonical_image(
    content: BinaryIO, out: BinaryIO, *, max_side: int | None, max_bytes: int, memory: int
) -> Measured:
    """Write the first picture of the file, upright, in 8-bit sRGB, laid on white, without any metadata.

    PNG where nothing was lost before, else JPEG. Raises BrokenMedia.
    """
    bytes_of = {kind: max(decoded, CANONICAL_BYTES) for kind, decoded in DECODED_BYTES.items()}
    with _opened(content, max_side, memory, bytes_of) as (picture, stream):
        picture.load()
        orientation = pixels.orientation_of(picture)
        canvas = pixels.to_srgb(picture)
    # The source is closed: turning needs its room.
    canvas = pixels.upright(canvas, orientation)
    kind, canvas = _write(canvas, out, lossless=stream.kind == "PNG", max_bytes=max_bytes)
    return Measured(
        content_type=IMAGE_TYPES[kind][0],
        width=canvas.width,
        height=canvas.height,
        **pixels.thumbnails(canvas),
    )


@contextmanager
def _opened(
    content: BinaryIO, max_side: int | None, memory: int, bytes_of: dict[str, int]
) -> Iterator[tuple[Image.Image, ImageStream]]:
    """The picture, opened and held to the limits, but not decoded yet."""
    kind = kind_of(content)
    # Before Pillow opens it: that reads every part ahead of the pixels, whatever their number.
    stream = find_stream(content, kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if kind == "WEBP":
                _check_limits(webp_size(content), max_side, memory // bytes_of[kind])
            content.seek(0)
            with Image.open(content, formats=[kind]) as picture:
                _check_limits(picture.size, max_side, memory // bytes_of[kind])
                if stream.is_progressive:
                    loading = DECODED_BYTES[kind] + COEFFICIENT_BYTES
                    check_pixels(*picture.size, memory // max(bytes_of[kind], loading))
                if kind == "PNG":
                    pixels.set_said_profile(picture, stream.cicp)
                yield picture, stream
        except (BrokenMedia, MemoryError):
            raise
        except Exception as error:  # hostile bytes make decoders raise anything
            raise find_fault(content, kind, error) from error


def _check_limits(size: tuple[int, int], max_side: int | None, room: int) -> None:
    width, height = size
    check_pixels(width, height, min(MAX_PIXELS, room))
    if max_side and max(width, height) > max_side:
        message = f"The picture has {width:,} × {height:,} px; at most {max_side} px a side are taken here."
        raise BrokenMedia("too_large", message)


def _write(canvas: Image.Image, out: BinaryIO, *, lossless: bool, max_bytes: int) -> tuple[str, Image.Image]:
    """Encode it, in the end half as large again and again, until it has at most `max_bytes`."""
    kind = "PNG" if lossless else "JPEG"
    while True:
        out.seek(0)
        out.truncate()
        try:
            _encode(canvas, kind, BoundedFile(out, max_bytes))
        except FileTooLong:
            if kind == "JPEG":
                if max(canvas.size) < THUMBNAIL_EDGE:
                    raise BrokenMedia("too_large", f"The picture needs over {max_bytes:,} bytes.") from None
                canvas = canvas.reduce(2)
            kind = "JPEG"
        else:
            out.flush()
            return kind, canvas


def _encode(canvas: Image.Image, kind: str, out: BoundedFile) -> None:
    if kind == "PNG":
        canvas.save(out, "PNG", compress_level=PNG_LEVEL)  # type: ignore[arg-type]
    else:
        canvas.save(out, "JPEG", quality=JPEG_QUALITY, subsampling=0)  # type: ignore[arg-type]
