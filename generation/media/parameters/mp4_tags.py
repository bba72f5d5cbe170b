"""The texts that an MP4 carries: iTunes' tags, QuickTime's keys, and QuickTime's old user data."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

from generation.media.mp4_tables import boxes

MAX_BOXES = 2000  # of one level
NAMES = {b"\xa9cmt": "comment", b"desc": "description", b"\xa9des": "description"}
APPLE = "com.apple.quicktime."
Box = tuple[bytes, int, int]


def mp4_texts(content: BinaryIO, *, most: int) -> Iterator[tuple[str, str]]:
    """Names and texts of at most `most` bytes."""
    length = content.seek(0, 2)
    for _, start, end in _named(content, b"moov", 0, length):
        for kind, inner, stop in _children(content, start, end):
            if kind == b"meta":
                yield from _meta(content, inner, stop, most)
            elif kind == b"udta":
                yield from _user_data(content, inner, stop, most)


def _children(content: BinaryIO, start: int, end: int) -> Iterator[Box]:
    return islice(boxes(content, start, end, 0), MAX_BOXES)


def _named(content: BinaryIO, name: bytes, start: int, end: int) -> Iterator[Box]:
    return (box for box in _children(content, start, end) if box[0] == name)


def _user_data(content: BinaryIO, start: int, end: int, most: int) -> Iterator[tuple[str, str]]:
    for kind, inner, stop in _children(content, start, end):
        if kind == b"meta":
            yield from _meta(content, inner, stop, most)
        elif kind in NAMES and stop - inner <= most:  # a length and a language, then the text
            yield NAMES[kind], _read(content, inner + 4, stop).decode("utf-8", "replace")


def _meta(content: BinaryIO, start: int, end: int, most: int) -> Iterator[tuple[str, str]]:
    # In MP4 a version and flags stand first, in QuickTime nothing does.
    start += 0 if _read(content, start + 4, start + 8) == b"hdlr" else 4
    children = list(_children(content, start, end))
    keys = [
        _read(content, inner, min(stop, inner + 200)).decode("utf-8", "replace")
        for kind, first, last in children
        if kind == b"keys"
        for _, inner, stop in _children(content, first + 8, last)
    ]
    for kind, first, last in children:
        if kind == b"ilst":
            yield from _tags(content, first, last, keys, most)


def _tags(content: BinaryIO, start: int, end: int, keys: list[str], most: int) -> Iterator[tuple[str, str]]:
    for kind, first, last in _children(content, start, end):
        number = int.from_bytes(kind, "big") - 1
        name = keys[number].removeprefix(APPLE) if 0 <= number < len(keys) else NAMES.get(kind, "")
        for _, inner, stop in _named(content, b"data", first, last):
            if name and stop - inner <= most:  # a type and a locale, then the text
                yield name, _read(content, inner + 8, stop).decode("utf-8", "replace")


def _read(content: BinaryIO, start: int, end: int) -> bytes:
    content.seek(start)
    return content.read(max(0, end - start))
