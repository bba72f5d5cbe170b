"""Video containers and truncation by the outer structure: decoders miss a cut behind the last frame."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from generation.media.file_kinds import HEAD_BYTES, kind_by_head
from generation.media.formats import BrokenMedia, cut_off

MAX_PARTS = 50_000  # a fragmented video has four for each fragment
EBML, DOC_TYPE = 0x1A45DFA3, 0x4282


def container_of(content: BinaryIO) -> str:
    """`mp4` or `webm`. Raises BrokenMedia, naming other kinds of files; QuickTime and Matroska are others."""
    content.seek(0)
    head = content.read(HEAD_BYTES)
    kind = kind_by_head(head)
    if kind == "an MP4 video":
        return "mp4"
    if _doc_type(head) == b"webm":
        return "webm"
    if kind == "a WebM video":
        raise BrokenMedia("broken_media", "The header of the WebM cannot be read: its parts do not fit.")
    raise BrokenMedia("wrong_format", f"This is {kind}; MP4 and WebM videos are taken.")


def check_whole_video(content: BinaryIO, container: str) -> None:
    """Raises BrokenMedia unless the outer boxes, not too many, end inside the file.

    In a truncated one the last does not.
    """
    length = content.seek(0, 2)
    ends = _mp4_box_ends(content, length) if container == "mp4" else _webm_element_ends(content, length)
    for number, end in enumerate(ends):
        check_parts(number)
        if end > length:
            raise cut_off("video", length, "its last part goes on")


def check_parts(number: int) -> None:
    """Raises BrokenMedia for one part more than are taken: 20 MB of the smallest took 18 s to walk."""
    if number > MAX_PARTS:
        raise BrokenMedia("too_large", f"The video is made of more than {MAX_PARTS:,} parts.")


def _mp4_box_ends(content: BinaryIO, length: int) -> Iterator[int]:
    """The declared end of each outer box; past the file's end for a malformed header."""
    start = 0
    while start < length:
        content.seek(start)
        header = content.read(16)
        size, begins = int.from_bytes(header[:4], "big"), 8
        if size == 1:
            size, begins = int.from_bytes(header[8:16], "big"), 16
        elif size == 0:
            return  # the last box, up to the end of the file
        start = start + size if size >= begins and len(header) >= begins else length + 1
        yield start


def _webm_element_ends(content: BinaryIO, length: int) -> Iterator[int]:
    """As above, for the header and the segment."""
    start = 0
    while start < length:
        content.seek(start)
        header = content.read(16)
        _, id_bytes = ebml_number(header, keep_marker=True)
        size, size_bytes = ebml_number(header[id_bytes:])
        if size is None:
            return  # a live recording does not say
        start = start + id_bytes + size_bytes + size if id_bytes and size_bytes else length + 1
        yield start


def _doc_type(head: bytes) -> bytes:
    kind, at = ebml_number(head, keep_marker=True)
    size, used = ebml_number(head[at:])
    if kind != EBML or not size:
        return b""
    at += used
    end = min(at + size, len(head))
    while at < end:
        kind, used = ebml_number(head[at:], keep_marker=True)
        size, size_used = ebml_number(head[at + used :])
        if not used or not size_used or size is None:
            return b""
        at += used + size_used
        if kind == DOC_TYPE:
            return head[at : at + size]
        at += size
    return b""


def ebml_number(data: bytes, *, keep_marker: bool = False) -> tuple[int | None, int]:
    """An EBML number and its bytes: 0 bytes where there is none, no number where it says `unknown`."""
    width = 9 - data[0].bit_length() if data and data[0] else 0
    if not width or len(data) < width:
        return 0, 0
    value = int.from_bytes(data[:width], "big")
    if keep_marker:
        return value, width
    value -= 1 << (7 * width)
    return (None if value == (1 << (7 * width)) - 1 else value), width
