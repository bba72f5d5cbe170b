"""The texts that an MP4 carries: iTunes' tags, QuickTime's keys, and QuickTime's old user data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from generation.media.mp4_tables import boxes

MAX_BOXES = 10_000  # that are looked at; programs write a few dozen
NAMES = {b"\xa9cmt": "comment", b"desc": "description", b"\xa9des": "description"}
APPLE = "com.apple.quicktime."
Box = tuple[bytes, int, int]
Texts = Iterator[tuple[str, str]]


class _File(NamedTuple):
    """`most`: the bytes of a text; `boxes_left`: how many more are looked at."""

    content: BinaryIO
    most: int
    boxes_left: Iterator[int]

    def read(self, start: int, end: int) -> bytes:
        self.content.seek(start)
        return self.content.read(max(0, end - start))

    def children(self, start: int, end: int) -> Iterator[Box]:
        for box in boxes(self.content, start, end, 0):
            if next(self.boxes_left, None) is None:
                return
            yield box

    def named(self, name: bytes, start: int, end: int) -> Iterator[Box]:
        return (box for box in self.children(start, end) if box[0] == name)


def mp4_texts(content: BinaryIO, *, most: int) -> Texts:
    """Names and texts of at most `most` bytes."""
    file = _File(content, most, iter(range(MAX_BOXES)))
    for _, start, end in file.named(b"moov", 0, content.seek(0, 2)):
        for kind, inner, stop in file.children(start, end):
            if kind == b"meta":
                yield from _meta(file, inner, stop)
            elif kind == b"udta":
                yield from _user_data(file, inner, stop)


def _user_data(file: _File, start: int, end: int) -> Texts:
    for kind, inner, stop in file.children(start, end):
        if kind == b"meta":
            yield from _meta(file, inner, stop)
        elif kind in NAMES and stop - inner <= file.most:  # a length and a language, then the text
            yield NAMES[kind], file.read(inner + 4, stop).decode("utf-8", "replace")


def _meta(file: _File, start: int, end: int) -> Texts:
    # In MP4 a version and flags stand first, in QuickTime nothing does.
    start += 0 if file.read(start + 4, start + 8) == b"hdlr" else 4
    children = list(file.children(start, end))
    keys = [
        file.read(inner, min(stop, inner + 200)).decode("utf-8", "replace")
        for kind, first, last in children
        if kind == b"keys"
        for _, inner, stop in file.children(first + 8, last)
    ]
    for kind, first, last in children:
        if kind == b"ilst":
            yield from _tags(file, first, last, keys)


def _tags(file: _File, start: int, end: int, keys: list[str]) -> Texts:
    for kind, first, last in file.children(start, end):
        number = int.from_bytes(kind, "big") - 1
        name = keys[number].removeprefix(APPLE) if 0 <= number < len(keys) else NAMES.get(kind, "")
        for _, inner, stop in file.named(b"data", first, last):
            if name and stop - inner <= file.most:  # a type and a locale, then the text
                yield name, file.read(inner + 8, stop).decode("utf-8", "replace")
