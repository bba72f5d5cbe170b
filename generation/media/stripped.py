"""Media files without what is written in them beside the picture: prompts, seeds, places, cameras, titles.

Each part that holds such text is overwritten in place by one of the same size that readers pass over, so that
sizes and offsets stay, and nothing is decoded. The picture looks the same: colours and orientation stay.
"""

from __future__ import annotations

import io
import zlib
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator
from threading import Lock
from typing import Any, BinaryIO, NamedTuple

from PIL import Image

from generation.media.container_formats import ebml_number
from generation.media.formats import IMAGE_TYPES, BrokenMedia
from generation.media.image_streams import BLOCK_BYTES, find_stream, jpeg_segments, png_parts
from generation.media.mp4_tables import MAX_DEPTH, boxes

KINDS = {content_type: kind for kind, (content_type, _) in IMAGE_TYPES.items()}
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
WEBP_FLAGS = 0x08 | 0x04  # that there is EXIF, that there is XMP
MP4_TEXT = {b"udta", b"meta", b"uuid"}
SEGMENT, VOID = 0x18538067, b"\xec"
WEBM_TEXT = {0x1254C367, 0x1941A469}  # Tags, Attachments
WEBM_INFO, TITLE = 0x1549A966, 0x7BA9


class Patch(NamedTuple):
    """The bytes that stand in the place of those from `start` on: `data`, and then so many zeros."""

    start: int
    data: bytes
    zeros: int = 0

    @property
    def end(self) -> int:
        return self.start + len(self.data) + self.zeros

    def part(self, first: int, last: int) -> bytes:
        return self.data[first - self.start : last - self.start].ljust(last - first, b"\0")


def patches(content: BinaryIO, content_type: str) -> list[Patch]:
    """What to overwrite, in the order of the file.

    Raises:
        BrokenMedia: the file's parts do not fit. What was accepted as a result does not raise.
    """
    find: dict[str, Callable[[BinaryIO], Iterator[Patch]]] = {
        "image/png": _png,
        "image/jpeg": _jpeg,
        "image/webp": _webp,
        "video/mp4": _mp4,
        "video/webm": _webm,
    }
    return sorted([*find[content_type](content), *_trailer(content, content_type)])


def _trailer(content: BinaryIO, content_type: str) -> Iterator[Patch]:
    """What stands behind the picture."""
    kind = KINDS.get(content_type)
    length = content.seek(0, 2)
    if kind and (end := find_stream(content, kind).end) < length:
        yield Patch(end, b"", length - end)


class KnownPatches:
    """What to overwrite in the files asked for lately, by their names: to find it a PNG is read whole.

    Files do not change under their names. Safe between threads.
    """

    MOST_FILES, MOST_PATCHES = 256, 200  # 5 MB at most; of a file with more it is found anew each time

    def __init__(self) -> None:
        self._known: OrderedDict[str, list[Patch]] = OrderedDict()
        self._lock = Lock()

    def of(self, name: str, content: BinaryIO, content_type: str) -> list[Patch]:
        """As `patches`."""
        with self._lock:
            if name in self._known:
                self._known.move_to_end(name)
                return self._known[name]
        found = patches(content, content_type)
        if len(found) <= self.MOST_PATCHES:
            with self._lock:
                self._known[name] = found
                while len(self._known) > self.MOST_FILES:
                    self._known.popitem(last=False)
        return found


class StrippedFile(io.RawIOBase):
    """A file as if it was written without that text; closing it closes the original."""

    def __init__(self, original: Any, content_type: str, known: list[Patch] | None = None) -> None:
        super().__init__()
        self.original = original
        self.size: int = original.seek(0, 2)
        self.patches = patches(original, content_type) if known is None else known
        self.starts = [patch.start for patch in self.patches]
        self.at = 0

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self.at = offset + {0: 0, 1: self.at, 2: self.size}[whence]
        return self.at

    def tell(self) -> int:
        return self.at

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        self.original.seek(self.at)
        data = bytearray(self.original.read(size))
        begin, end = self.at, self.at + len(data)
        for patch in self.patches[max(0, bisect_right(self.starts, begin) - 1) :]:
            if patch.start >= end:
                break
            first, last = max(begin, patch.start), min(end, patch.end)
            if first < last:
                data[first - begin : last - begin] = patch.part(first, last)
        self.at = end
        return bytes(data)

    def close(self) -> None:
        self.original.close()
        super().close()


def _png(content: BinaryIO) -> Iterator[Patch]:
    for kind, start, end in list(png_parts(content)):
        if kind not in PNG_PICTURE:
            yield Patch(start - 4, PNG_IGNORED, end - start)
            yield Patch(end, _checksum(end - start).to_bytes(4, "big"))


def _checksum(zeros: int) -> int:
    """Of an ignored part of so many zeros."""
    found = zlib.crc32(PNG_IGNORED)
    for at in range(0, zeros, BLOCK_BYTES):
        found = zlib.crc32(bytes(min(BLOCK_BYTES, zeros - at)), found)
    return found


def _jpeg(content: BinaryIO) -> Iterator[Patch]:
    orientation = _orientation(content)
    for marker, start, end in list(jpeg_segments(content)):
        content.seek(start)
        head = content.read(12)
        if marker != COMMENT and not APP0 <= marker <= APP15:
            continue
        if marker in JPEG_PICTURE and head.startswith(JPEG_PICTURE[marker]):
            continue
        if (
            marker == APP1
            and head.startswith(b"Exif\0\0")
            and orientation != 1
            and end - start >= len(_exif(1))
        ):
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


def _webp(content: BinaryIO) -> Iterator[Patch]:
    orientation = _orientation(content)
    end = find_stream(content, "WEBP").end
    at = 12
    while at + 8 <= end:
        content.seek(at)
        header = content.read(9)
        kind, size = header[:4], int.from_bytes(header[4:8], "little")
        stop = min(at + 8 + size, end)
        if kind == b"EXIF" and orientation != 1 and stop - at - 8 >= len(_exif(1)):
            yield Patch(at + 8, exif := _exif(orientation), stop - at - 8 - len(exif))
        elif kind not in WEBP_PICTURE:
            yield Patch(at, b"VOID")
            yield Patch(at + 8, b"", stop - at - 8)
        elif kind == b"VP8X":
            kept = 0x08 if orientation != 1 else 0
            yield Patch(at + 8, bytes([header[8] & ~WEBP_FLAGS | kept]))
        at += 8 + size + size % 2


def _mp4(content: BinaryIO) -> Iterator[Patch]:
    length = content.seek(0, 2)
    covered = 0  # up to where all is overwritten
    for kind, start, end in list(boxes(content, 0, length, MAX_DEPTH)):
        if kind in MP4_TEXT and start >= covered:
            content.seek(start - 8)
            # A size of 64 bits stands between the type and the content.
            name_at = start - 4 if content.read(8)[4:] == kind else start - 12
            yield Patch(name_at, b"free")
            yield Patch(start, b"", end - start)
            covered = end


def _webm(content: BinaryIO) -> Iterator[Patch]:
    for kind, _, start, end in _elements(content, 0, content.seek(0, 2)):
        if kind != SEGMENT:
            continue
        for inner, at, begins, stop in _elements(content, start, end):
            if inner in WEBM_TEXT and stop - at >= 9:
                yield Patch(at, VOID + (1 << 56 | stop - at - 9).to_bytes(8, "big"), stop - at - 9)
            elif inner == WEBM_INFO:
                titles = _elements(content, begins, stop)
                yield from (
                    Patch(first, b"", last - first) for name, _, first, last in titles if name == TITLE
                )


def _elements(content: BinaryIO, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Each element: its id, where it starts, and where its content starts and ends."""
    while start < end:
        content.seek(start)
        header = content.read(16)
        kind, id_bytes = ebml_number(header, keep_marker=True)
        size, size_bytes = ebml_number(header[id_bytes:])
        if not id_bytes or not size_bytes or kind is None:
            raise BrokenMedia("broken_media", f"The WebM's part at byte {start:,} cannot be read.")
        begins = start + id_bytes + size_bytes
        stop = end if size is None else min(begins + size, end)
        yield kind, start, begins, stop
        start = stop
