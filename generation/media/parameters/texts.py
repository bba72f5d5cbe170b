"""The texts that picture and video files carry beside their pixels, of which none is decoded here.

Bounded in number, size and time, whatever the file holds.
"""

from __future__ import annotations

import html
import re
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import BinaryIO

from generation.media.formats import BrokenMedia
from generation.media.image_streams import MAX_SEGMENTS, PNG_SIGNATURE, png_parts
from generation.media.parameters.exif import exif_texts
from generation.media.parameters.mp4_tags import mp4_texts

MAX_TEXTS = 40
MAX_PARTS = 100  # of the file that may hold texts, whatever is in them
MAX_TEXT_BYTES = 1024 * 1024  # of one, also after decompressing
MAX_TOTAL = 4 * MAX_TEXT_BYTES  # characters
XMP_HEAD = b"http://ns.adobe.com/xap/1.0/\0"
XMP_ELEMENTS = {"exif:UserComment": "UserComment", "dc:description": "description"}
TAG = re.compile("<[^<>]*>")
Texts = Iterable[tuple[str, str]]


def embedded_texts(content: BinaryIO) -> dict[str, str]:
    """The file's texts by their names; the first of each name, empty for a file of no kind that is taken."""
    content.seek(0)
    head = content.read(12)
    if head.startswith(PNG_SIGNATURE):
        return _gathered(_png(content))
    if head.startswith(b"\xff\xd8\xff"):
        return _gathered(_jpeg(content))
    if head[:4] == b"RIFF" and head[8:] == b"WEBP":
        return _gathered(_webp(content))
    if head[4:8] == b"ftyp":
        return _gathered([mp4_texts(content, most=MAX_TEXT_BYTES)])
    return {}


def _gathered(parts: Iterable[Texts]) -> dict[str, str]:
    """The first texts of the first parts; those of a name that was there count too."""
    found: dict[str, str] = {}
    room = MAX_TOTAL
    try:
        for name, text in islice(chain.from_iterable(islice(parts, MAX_PARTS)), MAX_TEXTS):
            room -= len(text)
            if room < 0:
                break
            found.setdefault(name, text)
    except BrokenMedia:
        pass  # it is damaged further on
    return found


def _png(content: BinaryIO) -> Iterator[Texts]:
    for name, start, end in png_parts(content):
        if name in (b"tEXt", b"zTXt", b"iTXt", b"eXIf") and end - start <= MAX_TEXT_BYTES:
            content.seek(start)
            data = content.read(end - start)
            if name == b"eXIf":
                yield exif_texts(data).items()
            else:
                key, _, rest = data.partition(b"\0")
                yield [(key.decode("latin-1"), _png_text(name, rest))]


def _png_text(name: bytes, rest: bytes) -> str:
    if name == b"zTXt":
        return _decoded(_inflated(rest[1:]))
    if name == b"iTXt":
        is_compressed = rest[:1] == b"\1"
        value = rest[2:].split(b"\0", 2)[-1]  # behind the language and the translated keyword
        return _decoded(_inflated(value) if is_compressed else value)
    return _decoded(rest)


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, MAX_TEXT_BYTES)
    except zlib.error:
        return b""


def _decoded(value: bytes) -> str:
    """UTF-8, which programs write where the standard says Latin-1, else that."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _jpeg(content: BinaryIO) -> Iterator[Texts]:
    at = 2
    for _ in range(MAX_SEGMENTS):
        content.seek(at)
        head = content.read(4)
        marker, size = head[1:2], int.from_bytes(head[2:4], "big")
        if len(head) < 4 or head[0] != 0xFF or size < 2 or marker in (b"\xda", b"\xd9"):
            return
        if marker in (b"\xe1", b"\xfe"):
            data = content.read(size - 2)
            if marker == b"\xfe":
                yield [("comment", _decoded(data))]
            elif data.startswith(b"Exif\0\0"):
                yield exif_texts(data[6:]).items()
            elif data.startswith(XMP_HEAD):
                yield _xmp(data[len(XMP_HEAD) :])
        at += 2 + size


def _webp(content: BinaryIO) -> Iterator[Texts]:
    at = 12
    for _ in range(MAX_SEGMENTS):
        content.seek(at)
        head = content.read(8)
        if len(head) < 8:
            return
        size = int.from_bytes(head[4:], "little")
        if head[:4] in (b"EXIF", b"XMP ") and size <= MAX_TEXT_BYTES:
            data = content.read(size)
            if head[:4] == b"EXIF":
                yield exif_texts(data.removeprefix(b"Exif\0\0")).items()
            else:
                yield _xmp(data)
        at += 8 + size + size % 2


def _xmp(data: bytes) -> Texts:
    """The elements that hold a description, without parsing XML: entities could make much of little."""
    packet = data.decode("utf-8", "replace")
    for element, name in XMP_ELEMENTS.items():
        start = packet.find(f"<{element}")
        end = packet.find(f"</{element}>", start)
        if 0 <= start < end:
            yield name, html.unescape(TAG.sub("", packet[start:end])).strip()
