"""Where the picture in a PNG, JPEG or WebP file ends, by walking its outer structure; nothing is decoded.

Bytes behind that end (the video of a "motion photo", a program's own) are no part of the picture.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from generation.media.file_kinds import HEAD_BYTES, kind_by_head
from generation.media.formats import MAX_SCANS, BrokenMedia, cut_off

CHUNK_BYTES = 16 * 1024
BLOCK_BYTES = 64 * 1024
# Both far above what programs write; each is one step of a loop.
MAX_SEGMENTS = 20_000
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Not a stuffed byte, filling, or a restart marker, all of which may stand inside a scan.
JPEG_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
SOI, EOI, SOS, TEM = 0xD8, 0xD9, 0xDA, 0x01
PROGRESSIVE, ARITHMETIC = {0xC2, 0xCA}, {0xC9, 0xCA}
FRAME_HEADERS = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
LOSSLESS, HIERARCHICAL = {0xC3, 0xC7, 0xCB, 0xCF}, {0xC5, 0xC6, 0xCD, 0xCE}


@dataclass(frozen=True, slots=True)
class ImageStream:
    """The kind as Pillow names it, and the first byte behind the picture; of a PNG the data of its cICP."""

    kind: str
    end: int
    is_progressive: bool = False
    is_arithmetic: bool = False
    cicp: bytes = b""


def kind_of(content: BinaryIO) -> str:
    """The kind of the image by its first bytes. Raises BrokenMedia, naming other kinds of files."""
    content.seek(0)
    head = content.read(HEAD_BYTES)
    if head.startswith(PNG_SIGNATURE):
        return "PNG"
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    raise BrokenMedia("wrong_format", f"This is {kind_by_head(head)}; PNG, JPEG and WebP images are taken.")


def find_stream(content: BinaryIO, kind: str) -> ImageStream:
    """The picture's stream in a file of this kind.

    Raises:
        BrokenMedia: it is cut off, or made of too many parts.
    """
    length = content.seek(0, 2)
    return {"PNG": _png, "JPEG": _jpeg, "WEBP": _webp}[kind](content, length)


def webp_size(content: BinaryIO) -> tuple[int, int]:
    """Width and height in px: Pillow's decoder takes memory for them when the file is opened."""
    content.seek(12)
    kind, data = content.read(4), content.read(14)[4:]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[4:7], "little"), 1 + int.from_bytes(data[7:10], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(data[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return int.from_bytes(data[6:8], "little") & 0x3FFF, int.from_bytes(data[8:10], "little") & 0x3FFF


def png_parts(content: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Each chunk up to IEND: its type, and where its data starts and ends.

    Raises BrokenMedia for one that goes on behind the end of the file.
    """
    length = content.seek(0, 2)
    start = len(PNG_SIGNATURE)
    for _ in range(MAX_SEGMENTS):
        content.seek(start)
        header = content.read(8)
        end = start + 12 + int.from_bytes(header[:4], "big")
        if len(header) < 8 or end > length:
            raise cut_off("PNG", length, f"its part at byte {start:,} goes on")
        yield header[4:], start + 8, end - 4
        if header[4:] == b"IEND":
            return
        start = end
    raise _too_many_parts("PNG")


def _png(content: BinaryIO, _length: int) -> ImageStream:
    end, cicp = 0, b""
    for name, start, end in png_parts(content):
        if not _is_checksum_right(content, name, start, end):
            message = f"the checksum of {part_at(name, start - 8)} is wrong"
            raise BrokenMedia("broken_media", f"The PNG is damaged: {message}.")
        if name == b"cICP":
            content.seek(start)
            cicp = content.read(min(4, end - start))
    return ImageStream("PNG", end + 4, cicp=cicp)


def _is_checksum_right(content: BinaryIO, name: bytes, start: int, end: int) -> bool:
    checksum = zlib.crc32(name)
    for block in blocks(content, start, end):
        checksum = zlib.crc32(block, checksum)
    return content.read(4) == checksum.to_bytes(4, "big")


def part_at(name: bytes, start: int) -> str:
    """A part of a file in words, by its name where it has one."""
    known = name.strip()
    named = f" {known.decode('ascii')}" if known.isalnum() else ""
    return f"its part{named} at byte {start:,}"


def blocks(content: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    """The bytes from `start` to `end`, some at a time."""
    content.seek(start)
    while start < end and (block := content.read(min(BLOCK_BYTES, end - start))):
        yield block
        start += len(block)


def _jpeg(content: BinaryIO, length: int) -> ImageStream:
    at, scans, frame_header = 2, 0, 0
    for _ in range(MAX_SEGMENTS):
        marker, at = _next_marker(content, at, length)
        if marker == EOI:
            if not scans:
                raise BrokenMedia("broken_media", f"The JPEG ends at byte {at:,}, before any picture.")
            return ImageStream("JPEG", at, frame_header in PROGRESSIVE, frame_header in ARITHMETIC)
        if marker in (SOI, TEM):
            continue
        scans += marker == SOS
        if scans > MAX_SCANS:
            raise BrokenMedia("too_large", f"The JPEG has more than {MAX_SCANS} scans.")
        content.seek(at)
        segment = content.read(8)
        if marker in FRAME_HEADERS and len(segment) == 8:
            _check_frame_header(marker, segment)
            frame_header = marker
        at += int.from_bytes(segment[:2], "big")
    raise _too_many_parts("JPEG")


def jpeg_segments(content: BinaryIO) -> Iterator[tuple[int, int, int]]:
    """Each segment up to the end of the image: its marker, and where its data starts and ends.

    Raises BrokenMedia where the end is missing.
    """
    length = content.seek(0, 2)
    at = 2
    for _ in range(MAX_SEGMENTS):
        marker, at = _next_marker(content, at, length)
        if marker == EOI:
            return
        if marker in (SOI, TEM):
            continue
        content.seek(at)
        end = at + int.from_bytes(content.read(2), "big")
        yield marker, at + 2, end
        at = end
    raise _too_many_parts("JPEG")


def _check_frame_header(marker: int, segment: bytes) -> None:
    """Raises BrokenMedia for kinds of JPEG that browsers do not show."""
    precision, components = segment[2], segment[7]
    kind = ""
    if marker in LOSSLESS:
        kind = "stored without loss"
    elif marker in HIERARCHICAL:
        kind = "stored in several resolutions (hierarchical)"
    elif precision != 8:
        kind = f"of {precision} bits a channel"
    elif components not in (1, 3, 4):
        kind = f"of {components} channels"
    if kind:
        raise BrokenMedia("wrong_format", f"This is a JPEG {kind}, which browsers do not show.")


def _next_marker(content: BinaryIO, at: int, length: int) -> tuple[int, int]:
    """The next marker from `at` on, and the byte behind it; what stands before it is passed over."""
    while True:
        content.seek(at)
        chunk = content.read(CHUNK_BYTES)
        if found := JPEG_MARKER.search(chunk):
            return chunk[found.end() - 1], at + found.end()
        if len(chunk) < CHUNK_BYTES:
            raise cut_off("JPEG", length, "the marker of its end is missing")
        at += len(chunk) - 1  # the marker may lie across the border


def _webp(content: BinaryIO, length: int) -> ImageStream:
    content.seek(4)
    end = 8 + int.from_bytes(content.read(4), "little")
    if end > length:
        raise cut_off("WebP", length, f"it says that it has {end:,} bytes")
    return ImageStream("WEBP", end)


def _too_many_parts(kind: str) -> BrokenMedia:
    return BrokenMedia("too_large", f"The {kind} is made of more than {MAX_SEGMENTS:,} parts.")
