"""The sample tables of an MP4, checked before a demuxer sees them: it allocates what they claim.

A file of 1.4 KB that claims 20 million samples made one allocate 832 MB.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from generation.media.container_formats import check_parts
from generation.media.formats import MAX_SAMPLES, BrokenMedia, cut_off

CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"mvex", b"moof", b"traf", b"udta"}
MAX_DEPTH = 10
# Boxes that list their entries one by one: the bytes of each.
ENTRY_BYTES = {b"stco": 4, b"co64": 8, b"stsc": 12, b"stss": 4, b"stts": 8, b"ctts": 8}
# Of these each entry stands for as many samples as it says.
RUNS = {b"stts", b"ctts"}
# Of these each entry is the place of a chunk in the file.
OFFSETS = {b"stco", b"co64"}
PLAYED_ONCE = 0x00010000  # the rate of an edit, 16.16
EDITED = "Browsers differ in playing this video: its edit list plays a track"


def check_tables(content: BinaryIO) -> None:
    """Raises BrokenMedia for tables of more samples than are taken, or than their boxes have room for."""
    length = content.seek(0, 2)
    in_fragments = 0
    for number, (kind, start, end) in enumerate(boxes(content, 0, length, MAX_DEPTH)):
        check_parts(number)
        if kind == b"cmov":
            raise BrokenMedia("wrong_format", "The video's index is compressed, which browsers cannot read.")
        if kind == b"trun":
            in_fragments += _claimed(content, start + 4)
            _check_samples(in_fragments)
        elif kind in (b"stsz", b"stz2"):
            _check_sizes(content, kind, start, end)
        elif kind == b"elst":
            _check_edits(content, start, end)
        elif kind in ENTRY_BYTES:
            _check_entries(content, kind, start, end, length)


def display_matrices(content: BinaryIO) -> dict[int, tuple[float, ...]]:
    """By track, a, b, c and d of the matrix that its pictures are shown through. Raises BrokenMedia."""
    found = {}
    for kind, start, end in boxes(content, 0, content.seek(0, 2), MAX_DEPTH):
        if kind == b"tkhd":
            content.seek(start)
            header = content.read(min(96, end - start))
            number, matrix = (20, 52) if header[:1] == b"\1" else (12, 40)
            if len(header) < matrix + 36:
                message = f"The header of a track (tkhd) has {len(header)} bytes and lacks the matrix."
                raise BrokenMedia("broken_media", message)
            values = struct.unpack(">4i", b"".join(header[matrix + at : matrix + at + 8] for at in (0, 12)))
            found[int.from_bytes(header[number : number + 4], "big")] = tuple(each / 65536 for each in values)
    return found


def boxes(content: BinaryIO, start: int, end: int, depth: int) -> Iterator[tuple[bytes, int, int]]:
    """Each box: its type, and where its payload starts and ends. A box that lies is cut to its parent."""
    while start + 8 <= end:
        content.seek(start)
        header = content.read(16)
        size, begins, kind = int.from_bytes(header[:4], "big"), 8, header[4:8]
        if size == 1:
            size, begins = int.from_bytes(header[8:16], "big"), 16
        stop = end if size == 0 else min(start + size, end)
        if stop < start + begins:
            return
        yield kind, start + begins, stop
        if kind in CONTAINERS and depth:
            yield from boxes(content, start + begins, stop, depth - 1)
        start = stop


def _claimed(content: BinaryIO, at: int) -> int:
    content.seek(at)
    return int.from_bytes(content.read(4), "big")


def _check_sizes(content: BinaryIO, kind: bytes, start: int, end: int) -> None:
    samples = _claimed(content, start + 8)
    _check_samples(samples)
    field = _claimed(content, start + 4)
    bits = (field & 0xFF) if kind == b"stz2" else (0 if field else 32)
    _check_room(kind, samples * bits // 8, end - start - 12)


def _check_entries(content: BinaryIO, kind: bytes, start: int, end: int, length: int) -> None:
    entries = _claimed(content, start + 4)
    _check_samples(entries)
    _check_room(kind, entries * ENTRY_BYTES[kind], end - start - 8)
    if kind in RUNS:
        table = content.read(entries * 8)
        _check_samples(sum(int.from_bytes(table[at : at + 4], "big") for at in range(0, len(table), 8)))
    if kind in OFFSETS:
        last = max(_numbers(content.read(entries * ENTRY_BYTES[kind]), ENTRY_BYTES[kind]), default=0)
        if last >= length:
            raise cut_off("video", length, f"its table {kind.decode()} names byte {last:,}")


def _check_edits(content: BinaryIO, start: int, end: int) -> None:
    """Raises BrokenMedia for an edit list that does more than say when the one stretch of samples starts.

    Browsers differ in the others: some follow them, some show what they leave out.
    """
    content.seek(start)
    is_long = content.read(1) == b"\1"
    entries = _claimed(content, start + 4)
    entry_bytes = 20 if is_long else 12
    _check_samples(entries)
    _check_room(b"elst", entries * entry_bytes, end - start - 8)
    width = 8 if is_long else 4
    stretches = 0
    for _ in range(entries):
        entry = content.read(entry_bytes)
        media_time = int.from_bytes(entry[width : 2 * width], "big", signed=True)
        rate = int.from_bytes(entry[2 * width :], "big")
        if media_time != -1 and rate != PLAYED_ONCE:
            raise BrokenMedia("wrong_format", f"{EDITED} {rate / PLAYED_ONCE:g} times as fast.")
        stretches += media_time != -1
    if stretches > 1:
        raise BrokenMedia("wrong_format", f"{EDITED} as {stretches:,} stretches, one behind the other.")


def _numbers(table: bytes, width: int) -> Iterator[int]:
    return (int.from_bytes(table[at : at + width], "big") for at in range(0, len(table), width))


def _check_samples(claimed: int) -> None:
    if claimed > MAX_SAMPLES:
        message = f"The video claims {claimed:,} samples; at most {MAX_SAMPLES:,} are taken."
        raise BrokenMedia("too_large", message)


def _check_room(kind: bytes, needed: int, there: int) -> None:
    if needed > there:
        name = kind.decode("ascii")
        message = f"The video's table {name} claims {needed:,} bytes of entries and has {max(there, 0):,}."
        raise BrokenMedia("broken_media", message)
