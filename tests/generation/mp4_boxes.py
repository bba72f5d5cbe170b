"""Changes boxes of an MP4 whose index lies behind its samples, so that no offset moves."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

PARENTS = {b"moov", b"trak", b"edts", b"mdia", b"minf", b"stbl"}
Change = Callable[[bytes], bytes]


def box(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload) + 8) + kind + payload


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        yield content[at + 4 : at + 8], content[at + 8 : at + size]
        at += size


def changed(content: bytes, kind: bytes, change: Change) -> bytes:
    """The file with the payload of each such box changed."""
    out = []
    for name, payload in _boxes(content):
        new = change(payload) if name == kind else payload
        out.append(box(name, changed(new, kind, change) if name in PARENTS else new))
    return b"".join(out)


def with_edits(content: bytes, *edits: tuple[int, int, float]) -> bytes:
    """Each track has this edit list: duration in units of the film, start in units of the track, rate."""
    table = b"".join(struct.pack(">iiI", length, start, int(rate * 65536)) for length, start, rate in edits)
    edts = box(b"edts", box(b"elst", struct.pack(">II", 0, len(edits)) + table))

    def of_track(payload: bytes) -> bytes:
        others = [(name, part) for name, part in _boxes(payload) if name != b"edts"]
        return b"".join(box(name, part) + (edts if name == b"tkhd" else b"") for name, part in others)

    return changed(content, b"trak", of_track)


def with_matrix(content: bytes, *numbers: float) -> bytes:
    """The display matrix of each track: a, b, c, d."""
    a, b, c, d = (int(number * 65536) for number in numbers)
    matrix = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    return changed(content, b"tkhd", lambda payload: payload[:40] + matrix + payload[76:])


def with_pixels_of(content: bytes, width: int, height: int) -> bytes:
    """The container says this shape of a pixel."""
    ratio = box(b"pasp", struct.pack(">II", width, height))

    def of_samples(payload: bytes) -> bytes:
        [(kind, entry)] = _boxes(payload[8:])
        others = b"".join(box(name, part) for name, part in _boxes(entry[78:]) if name != b"pasp")
        return payload[:8] + box(kind, entry[:78] + others + ratio)

    return changed(content, b"stsd", of_samples)
