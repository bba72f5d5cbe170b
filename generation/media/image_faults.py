"""What is wrong with an image that a decoder refused, found in the file: the decoder's words are a guess.

Runs in the decoding process only, and only after a failure.
"""

from __future__ import annotations

import zlib
from typing import BinaryIO

from PIL import PngImagePlugin, UnidentifiedImageError

from generation.media.formats import MAX_PIXELS, BrokenMedia, check_pixels, cut_off
from generation.media.image_streams import BLOCK_BYTES, blocks, part_at, png_parts

MAX_TEXT = PngImagePlugin.MAX_TEXT_CHUNK  # that Pillow unpacks, a colour profile too
MAX_TEXTS = PngImagePlugin.MAX_TEXT_MEMORY
TEXTS = {b"tEXt", b"zTXt", b"iTXt"}
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a pixel, by a PNG's colour type
DEPTHS = {0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}}
# Adam7: where each pass starts, and its steps.
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def find_fault(content: BinaryIO, kind: str, error: Exception) -> BrokenMedia:
    """The refusal of a file whose outer structure is whole, and that made the decoder raise `error`."""
    try:
        fault = FINDERS[kind](content) if kind in FINDERS else None
    except BrokenMedia as broken:
        fault = broken
    return fault or _as_the_decoder_says(kind, error)


def _as_the_decoder_says(kind: str, error: Exception) -> BrokenMedia:
    known = not isinstance(error, UnidentifiedImageError) and str(error)
    reason = f"it says “{str(error)[:120].rstrip('.')}”" if known else "it does not say why"
    name = {"WEBP": "WebP"}.get(kind, kind)
    return BrokenMedia("broken_media", f"The {name} ends where it should, but its decoder stops: {reason}.")


def _png(content: BinaryIO) -> BrokenMedia | None:
    size, texts = None, 0
    for name, start, end in png_parts(content):
        if name == b"IHDR":
            size = _checked_header(content, start)
        if name in TEXTS or name == b"iCCP":
            unpacked = _unpacked_bytes(content, name, start, end)
            texts += unpacked if name in TEXTS else 0
            if unpacked > MAX_TEXT or texts > MAX_TEXTS:
                message = "A text or colour profile in the PNG unpacks to too many bytes."
                return BrokenMedia("too_large", message)
    if size is None:
        return BrokenMedia("broken_media", "The PNG has no header (IHDR).")
    return _fault_in_pixels(content, size)


def _checked_header(content: BinaryIO, start: int) -> int:
    """The bytes of all rows, unpacked. Raises BrokenMedia for what no PNG is."""
    content.seek(start)
    header = content.read(13)
    width, height = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
    depth, colours, interlaced = header[8], header[9], header[12]
    if depth not in DEPTHS.get(colours, ()) or header[10:12] != b"\0\0" or interlaced > 1:
        message = f"No PNG has {depth} bits of colour type {colours}, as this one says."
        raise BrokenMedia("wrong_format", message)
    check_pixels(width, height, MAX_PIXELS)
    bits = depth * CHANNELS[colours]
    passes = PASSES if interlaced else ((0, 0, 1, 1),)
    sizes = [(-(-(width - x) // across), -(-(height - y) // down)) for x, y, across, down in passes]
    return sum(rows * (1 + (columns * bits + 7) // 8) for columns, rows in sizes if columns > 0 < rows)


def _unpacked_bytes(content: BinaryIO, name: bytes, start: int, end: int) -> int:
    """Of a text or a profile; at most one more than are allowed."""
    content.seek(start)
    keyword, _, rest = content.read(end - start).partition(b"\0")
    if name == b"tEXt" or (name == b"iTXt" and rest[:1] != b"\1"):
        return len(keyword) + len(rest)
    packed = rest[2:].split(b"\0", 2)[-1] if name == b"iTXt" else rest[1:]
    try:
        return len(zlib.decompressobj().decompress(packed, MAX_TEXT + 1))
    except zlib.error:
        return 0  # Pillow passes over it, as browsers do


def _fault_in_pixels(content: BinaryIO, expected: int) -> BrokenMedia | None:
    unpacked, decompressor = 0, zlib.decompressobj()
    for name, start, end in list(png_parts(content)):
        if name != b"IDAT":
            continue
        for number, block in enumerate(blocks(content, start, end)):
            try:
                unpacked += len(decompressor.decompress(block))
            except zlib.error:
                at = start + number * BLOCK_BYTES
                message = f"The PNG is damaged: its pixels cannot be unpacked behind byte {at:,}."
                return BrokenMedia("broken_media", message)
            if unpacked >= expected:
                return None
    message = f"The PNG lacks pixels: {unpacked:,} of {expected:,} bytes are there."
    return BrokenMedia("broken_media", message)


def _webp(content: BinaryIO) -> BrokenMedia | None:
    """Of its inner parts, one that goes on behind the end."""
    content.seek(4)
    end = 8 + int.from_bytes(content.read(4), "little")
    at = 12
    while at + 8 <= end:
        content.seek(at)
        header = content.read(8)
        behind = at + 8 + int.from_bytes(header[4:], "little")
        if behind > end:
            return cut_off("WebP", end, f"{part_at(header[:4], at)} goes on")
        at = behind + behind % 2
    return None


FINDERS = {"PNG": _png, "WEBP": _webp}
