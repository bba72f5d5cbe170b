"""What to overwrite in a video, so that nothing that is written beside its tracks stays; see `stripped`.

Only what is named here stays; any other part is passed over by readers then, and zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from generation.media.container_formats import ebml_number
from generation.media.file_patches import Patch
from generation.media.formats import BrokenMedia
from generation.media.mp4_tables import MAX_DEPTH, boxes
from generation.media.source_type import MAX_XMP_BYTES, source_type_packet

MP4_KEPT = {
    *(b"ftyp", b"styp", b"moov", b"mdat", b"moof", b"mfra", b"sidx", b"prft"),
    *(b"mvhd", b"trak", b"mvex", b"tkhd", b"tref", b"edts", b"elst", b"mdia", b"mdhd", b"hdlr", b"minf"),
    *(b"vmhd", b"smhd", b"nmhd", b"dinf", b"stbl", b"stsd", b"stts", b"ctts", b"cslg", b"stsc", b"stsz"),
    *(b"stz2", b"stco", b"co64", b"stss", b"sdtp", b"sbgp", b"sgpd", b"subs", b"saiz", b"saio"),
    *(b"mehd", b"trex", b"mfhd", b"traf", b"tfhd", b"tfdt", b"trun", b"tfra", b"mfro"),
}
MP4_FREE = (b"free", b"skip", b"wide")
# Of a sample entry in `stsd`, the bytes between its header and the boxes in it, by the kind of its track.
ENTRY_FIELDS = {b"vide": 78, b"soun": 28}
ENTRY_NAME = (42, 32)  # of a `vide`: where the encoder's name is, and how long
HANDLER_NAME = 24
XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")

VOID = 0xEC
MASTERS = {
    *(0x1A45DFA3, 0x18538067, 0x114D9B74, 0x4DBB, 0x1549A966),  # EBML, Segment, SeekHead, Seek, Info
    *(0x1654AE6B, 0xAE, 0xE0, 0x55B0, 0xE1),  # Tracks, TrackEntry, Video, Colour, Audio
    *(0x1F43B675, 0xA0, 0x1C53BB6B, 0xBB, 0xB7),  # Cluster, BlockGroup, Cues, CuePoint, CueTrackPositions
}
WEBM_KEPT = {
    *(0x4286, 0x42F7, 0x42F2, 0x42F3, 0x4282, 0x4287, 0x4285),  # of the EBML header
    *(0x53AB, 0x53AC, 0x2AD7B1, 0x4489),  # of Seek; the times of Info
    # Of a track: its number, kind, flags, times, codec, and how it is decoded.
    *(0xD7, 0x73C5, 0x83, 0xB9, 0x88, 0x55AA, 0x9C, 0x6DE7, 0x6DF8, 0x23E383, 0x234E7A, 0x23314F, 0x55EE),
    *(0x86, 0x63A2, 0xAA, 0x56AA, 0x56BB, 0x22B59C, 0x41E4, 0x6D80),
    # Of its pictures: size, shape, interlacing, colours, projection.
    *(0x9A, 0x9D, 0x53B8, 0x53C0, 0xB0, 0xBA, 0x54AA, 0x54BB, 0x54CC, 0x54DD, 0x54B0, 0x54BA, 0x54B2),
    *(0x55B1, 0x55B2, 0x55B3, 0x55B4, 0x55B5, 0x55B6, 0x55B7, 0x55B8, 0x55B9, 0x55BA, 0x55BB, 0x55BC),
    *(0x55BD, 0x55D0, 0x7670),
    *(0xB5, 0x78B5, 0x9F, 0x6264),  # of its sound
    *(0xE7, 0xA3, 0xA7, 0xAB, 0xA1, 0x9B, 0xFB, 0xFA, 0x75A2),  # of clusters and blocks
    *(0xB3, 0xF7, 0xF1, 0xF0, 0xB2, 0x5378),  # of cues
}
# Texts that must be there: empty then, and not away.
WEBM_NAMES = (0x4D80, 0x5741)  # MuxingApp, WritingApp


def mp4_patches(content: BinaryIO) -> Iterator[Patch]:
    length = content.seek(0, 2)
    covered = 0  # up to where all is overwritten
    is_marked, handler = False, b""
    for kind, start, end in list(boxes(content, 0, length, MAX_DEPTH)):
        if start < covered:
            continue
        if kind == b"hdlr":
            content.seek(start + 8)
            handler = content.read(4)
            if end - start > HANDLER_NAME:
                yield Patch(start + HANDLER_NAME, b"", end - start - HANDLER_NAME)
        elif kind == b"stsd":
            yield from _sample_entries(content, start, end, handler)
        elif kind not in MP4_KEPT:
            packet = b"" if is_marked or kind != b"uuid" else _packet(content, start, end)
            is_marked |= bool(packet)
            yield from [Patch(start + 16, packet)] if packet else _free(content, kind, start, end)
            covered = end


def _free(content: BinaryIO, kind: bytes, start: int, end: int) -> Iterator[Patch]:
    content.seek(start - 8)
    # A size of 64 bits stands between the type and the content.
    name_at = start - 4 if content.read(8)[4:] == kind else start - 12
    yield Patch(name_at, b"free")
    yield Patch(start, b"", end - start)


def _packet(content: BinaryIO, start: int, end: int) -> bytes:
    """What stays of the XMP in a `uuid` box, as long as it is."""
    if not 16 < end - start <= MAX_XMP_BYTES:
        return b""
    content.seek(start)
    data = content.read(end - start)
    return source_type_packet(data, end - start - 16) if data.startswith(XMP_UUID) else b""


def _sample_entries(content: BinaryIO, start: int, end: int, handler: bytes) -> Iterator[Patch]:
    """What is free in the descriptions of a track's samples, and the name of what encoded its pictures."""
    fields = ENTRY_FIELDS.get(handler)
    for _, begins, stop in list(boxes(content, start + 8, end, 0)):
        if fields is None or stop - begins < fields:
            continue
        if handler == b"vide":
            yield Patch(begins + ENTRY_NAME[0], b"", ENTRY_NAME[1])
        for kind, first, last in list(boxes(content, begins + fields, stop, 0)):
            if kind in MP4_FREE or kind in (b"udta", b"uuid", b"meta"):
                yield from _free(content, kind, first, last)


def webm_patches(content: BinaryIO) -> Iterator[Patch]:
    for kind, at, start, end in _elements(content):
        if kind in WEBM_NAMES or (kind == VOID and end > start):
            yield Patch(start, b"", end - start)
        elif kind not in WEBM_KEPT and kind not in MASTERS and end - at >= 2:
            yield _void(at, end - at)


def _void(at: int, size: int) -> Patch:
    """An element of so many bytes that readers pass over."""
    if size < 9:
        return Patch(at, bytes([VOID, 0x80 | size - 2]), size - 2)
    return Patch(at, bytes([VOID]) + (1 << 56 | size - 9).to_bytes(8, "big"), size - 9)


def _elements(content: BinaryIO) -> Iterator[tuple[int, int, int, int]]:
    """Each element, those with others in them first: its id, where it, its content, and that ends.

    A live recording does not say how long its segment and clusters are, so the tree is walked as it lies.
    """
    at, length = 0, content.seek(0, 2)
    while at < length:
        content.seek(at)
        header = content.read(16)
        kind, id_bytes = ebml_number(header, keep_marker=True)
        size, size_bytes = ebml_number(header[id_bytes:])
        if not id_bytes or not size_bytes or kind is None:
            raise BrokenMedia("broken_media", f"The WebM's part at byte {at:,} cannot be read.")
        start = at + id_bytes + size_bytes
        end = length if size is None else min(start + size, length)
        yield kind, at, start, end
        at = start if kind in MASTERS else end
