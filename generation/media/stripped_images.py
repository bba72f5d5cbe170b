"""What to overwrite in a picture, so that nothing that is written beside it stays; see `stripped`."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import BinaryIO

from PIL import Image

from generation.media.file_patches import Patch
from generation.media.image_streams import BLOCK_BYTES, find_stream, jpeg_segments, png_parts
from generation.media.source_type import MAX_XMP_BYTES, source_type_packet

# What makes the picture; all else goes, also what only some program knows.
PNG_PICTURE = {
    *(b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"mDCV"),
    *(b"cLLI", b"sBIT", b"bKGD", b"hIST", b"pHYs", b"acTL", b"fcTL", b"fdAT"),
}
PNG_IGNORED = b"voId"  # ancillary, private: decoders pass over what they do not know
APP0, APP1, APP2, APP14, APP15, COMMENT = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF, 0xFE
# How the content of those begins that say how the picture looks.
JPEG_PICTURE = {APP0: b"JFIF\0", APP2: b"ICC_PROFILE\0", APP14: b"Adobe"}
ORIENTATION = 0x0112
WEBP_PICTURE = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"}
HAS_EXIF, HAS_XMP = 0x08, 0x04  # flags of a WebP
PNG_XMP = b"XML:com.adobe.xmp\0\0\0\0\0"  # not compressed, no language, no translated keyword
JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"


def png_patches(content: BinaryIO) -> Iterator[Patch]:
    is_marked = False
    for kind, start, end in list(png_parts(content)):
        if kind in PNG_PICTURE:
            continue
        packet = b"" if is_marked or kind != b"iTXt" else _packet(content, PNG_XMP, start, end)
        is_marked |= bool(packet)
        if packet:
            data = PNG_XMP + packet
            yield Patch(start, data)
            yield Patch(end, zlib.crc32(data, zlib.crc32(kind)).to_bytes(4, "big"))
        else:
            yield Patch(start - 4, PNG_IGNORED, end - start)
            yield Patch(end, _checksum(end - start).to_bytes(4, "big"))


def _packet(content: BinaryIO, head: bytes, start: int, end: int) -> bytes:
    """What stays of the XMP that may stand between `start` and `end`, behind that head; as long as it is."""
    if end - start > MAX_XMP_BYTES:
        return b""
    content.seek(start)
    data = content.read(end - start)
    return source_type_packet(data, end - start - len(head)) if data.startswith(head) else b""


def _checksum(zeros: int) -> int:
    """Of an ignored part of so many zeros."""
    found = zlib.crc32(PNG_IGNORED)
    for at in range(0, zeros, BLOCK_BYTES):
        found = zlib.crc32(bytes(min(BLOCK_BYTES, zeros - at)), found)
    return found


def jpeg_patches(content: BinaryIO) -> Iterator[Patch]:
    orientation = _orientation(content)
    is_marked = False
    for marker, start, end in list(jpeg_segments(content)):
        if marker != COMMENT and not APP0 <= marker <= APP15:
            continue
        content.seek(start)
        head = content.read(12)
        if marker in JPEG_PICTURE and head.startswith(JPEG_PICTURE[marker]):
            continue
        packet = b"" if is_marked or marker != APP1 else _packet(content, JPEG_XMP, start, end)
        is_marked |= bool(packet)
        is_exif = marker == APP1 and head.startswith(b"Exif\0\0")
        if packet:
            yield Patch(start, JPEG_XMP + packet)
        elif is_exif and orientation != 1 and end - start >= len(_exif(1)):
            yield Patch(start, exif := _exif(orientation), end - start - len(exif))
        else:
            yield Patch(start - 3, bytes([APP15]))
            yield Patch(start, b"", end - start)


def _orientation(content: BinaryIO) -> int:
    content.seek(0)
    with Image.open(content) as picture:
        found = picture.getexif().get(ORIENTATION, 1)
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _exif(orientation: int) -> bytes:
    """The smallest EXIF that says how the picture is turned."""
    entry = ORIENTATION.to_bytes(2, "big") + b"\0\3\0\0\0\1" + orientation.to_bytes(2, "big") + b"\0\0"
    return b"Exif\0\0MM\0*\0\0\0\x08\0\1" + entry + bytes(4)


def webp_patches(content: BinaryIO) -> Iterator[Patch]:
    orientation = _orientation(content)
    kept = HAS_EXIF if orientation != 1 else 0
    header_at, flags = 0, 0
    for kind, start, end in list(_riff_chunks(content)):
        packet = b"" if kept & HAS_XMP or kind != b"XMP " else _packet(content, b"", start, end)
        if kind == b"VP8X":
            content.seek(start)
            header_at, flags = start, content.read(1)[0]
        elif packet:
            kept |= HAS_XMP
            yield Patch(start, packet)
        elif kind == b"EXIF" and orientation != 1 and end - start >= len(_exif(1)):
            yield Patch(start, exif := _exif(orientation), end - start - len(exif))
        elif kind not in WEBP_PICTURE:
            yield Patch(start - 8, b"VOID")
            yield Patch(start, b"", end - start)
    if header_at:
        yield Patch(header_at, bytes([flags & ~(HAS_EXIF | HAS_XMP) | kept]))


def _riff_chunks(content: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Each part of a WebP: its type, and where its data starts and ends."""
    end = find_stream(content, "WEBP").end
    at = 12
    while at + 8 <= end:
        content.seek(at)
        header = content.read(8)
        size = int.from_bytes(header[4:], "little")
        yield header[:4], at + 8, min(at + 8 + size, end)
        at += 8 + size + size % 2
