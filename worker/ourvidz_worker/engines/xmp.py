"""Marks files as generated: the IPTC digital source type, as an XMP packet in the file.

The picture's and the film's own bytes stay as they are; docs/marking.md of the server says what the mark is.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator

SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
TRAINED, ALGORITHMIC = "trainedAlgorithmicMedia", "algorithmicMedia"
DESCRIPTION = (
    '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    'Iptc4xmpExt:DigitalSourceType="{source_type}"/>'
)
PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '{description}</rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
)
END_OF_RDF = b"</rdf:RDF>"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_TEXT = b"XML:com.adobe.xmp\0\0\0\0\0"  # not compressed, no language, no translated keyword
JPEG_HEAD = b"http://ns.adobe.com/xap/1.0/\0"
APP0, APP1, SOS = 0xE0, 0xE1, 0xDA
MAX_SEGMENT = 0xFFFF - 2
MP4_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
XMP_FLAG, ALPHA_FLAG = 0x04, 0x10  # of a WebP's VP8X


def packet(*, trained: bool) -> bytes:
    """The XMP of a file made by a trained model, or by a program that was not trained on anything."""
    return PACKET.format(description=_description(trained=trained)).encode()


def _description(*, trained: bool) -> str:
    return DESCRIPTION.format(source_type=SOURCE_TYPES + (TRAINED if trained else ALGORITHMIC))


def png_chunk(*, trained: bool) -> tuple[bytes, bytes]:
    """Type and data of the chunk that holds the packet, before the first IDAT."""
    return b"iTXt", PNG_TEXT + packet(trained=trained)


def mp4_box(*, trained: bool) -> bytes:
    """The box that holds the packet, at the end of the file, where it moves no offset."""
    content = MP4_UUID + packet(trained=trained)
    return struct.pack(">I4s", 8 + len(content), b"uuid") + content


def marked(media: bytes, content_type: str, *, trained: bool = True) -> bytes:
    """A finished file with the source type: for PNG, JPEG, WebP and MP4 files that another program wrote.

    XMP that is in the file stays, with the source type added unless it says one. Another kind of file, and
    one whose structure cannot be followed, is returned as it is: the server says what is wrong with it.
    """
    mark = MARKS.get(content_type)
    try:
        return mark(media, trained) if mark else media
    except (struct.error, ValueError, IndexError):
        return media


def _with_type(xmp: bytes, *, trained: bool) -> bytes:
    if SOURCE_TYPES.encode() in xmp:
        return xmp
    before, end, after = xmp.rpartition(END_OF_RDF)
    return before + _description(trained=trained).encode() + end + after if end else packet(trained=trained)


def _png(media: bytes, trained: bool) -> bytes:  # noqa: FBT001 - as MARKS calls it
    if not media.startswith(PNG_SIGNATURE):
        raise ValueError(media[:8])
    parts, xmp = [], b""
    for kind, data in _png_chunks(media):
        if kind == b"iTXt" and data.startswith(PNG_TEXT):
            xmp = xmp or data[len(PNG_TEXT) :]
        else:
            parts.append((kind, data))
    end = media[_png_end(media) :]
    parts.insert(1, (b"iTXt", PNG_TEXT + _with_type(xmp, trained=trained)))
    return b"".join([PNG_SIGNATURE, *(_png_chunk(*part) for part in parts), end])


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))


def _png_chunks(media: bytes) -> Iterator[tuple[bytes, bytes]]:
    at, kind = len(PNG_SIGNATURE), b""
    while kind != b"IEND":
        size, kind = struct.unpack_from(">I4s", media, at)
        yield kind, media[at + 8 : at + 8 + size]
        at += 12 + size


def _png_end(media: bytes) -> int:
    return len(PNG_SIGNATURE) + sum(12 + len(data) for _, data in _png_chunks(media))


def _jpeg(media: bytes, trained: bool) -> bytes:  # noqa: FBT001 - as MARKS calls it
    if not media.startswith(b"\xff\xd8\xff"):
        raise ValueError(media[:3])
    head, xmp, at = [], b"", 2
    while media[at] == 0xFF and media[at + 1] != SOS:
        size = 2 + struct.unpack_from(">H", media, at + 2)[0]
        segment = media[at : at + size]
        if segment[1] == APP1 and segment[4:].startswith(JPEG_HEAD):
            xmp = xmp or segment[4 + len(JPEG_HEAD) :]
        else:
            head.append(segment)
        at += size
    content = JPEG_HEAD + _with_type(xmp, trained=trained)
    if len(content) > MAX_SEGMENT:
        content = JPEG_HEAD + packet(trained=trained)
    # Behind JFIF, which must be first.
    place = 1 if head and head[0][1] == APP0 else 0
    head.insert(place, struct.pack(">BBH", 0xFF, APP1, len(content) + 2) + content)
    return b"".join([media[:2], *head, media[at:]])


def _webp(media: bytes, trained: bool) -> bytes:  # noqa: FBT001 - as MARKS calls it
    magic, size, kind = struct.unpack_from("<4sI4s", media)
    if (magic, kind) != (b"RIFF", b"WEBP"):
        raise ValueError(magic)
    chunks, xmp = [], b""
    for name, data in _riff_chunks(media, 8 + size):
        if name == b"XMP ":
            xmp = xmp or data
        else:
            chunks.append((name, data))
    chunks = _extended(chunks)
    chunks.append((b"XMP ", _with_type(xmp, trained=trained)))
    body = b"".join(
        struct.pack("<4sI", name, len(data)) + data + b"\0" * (len(data) % 2) for name, data in chunks
    )
    return struct.pack("<4sI4s", b"RIFF", 4 + len(body), b"WEBP") + body + media[8 + size + size % 2 :]


def _riff_chunks(media: bytes, end: int) -> Iterator[tuple[bytes, bytes]]:
    at = 12
    while at + 8 <= end:
        name, size = struct.unpack_from("<4sI", media, at)
        if at + 8 + size > len(media):
            raise ValueError(name)
        yield name, media[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _extended(chunks: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """With the header that a WebP needs to hold more than its picture."""
    (name, data), *others = chunks
    if name == b"VP8X":
        return [(name, bytes([data[0] | XMP_FLAG]) + data[1:]), *others]
    if name == b"VP8L":
        bits = struct.unpack_from("<I", data, 1)[0]
        width, height, alpha = bits & 0x3FFF, bits >> 14 & 0x3FFF, bits >> 28 & 1
    else:
        width, height = (number - 1 & 0x3FFF for number in struct.unpack_from("<HH", data, 6))
        alpha = 0
    flags = XMP_FLAG | (ALPHA_FLAG if alpha else 0)
    header = struct.pack("<I", flags) + width.to_bytes(3, "little") + height.to_bytes(3, "little")
    return [(b"VP8X", header), *chunks]


def _mp4(media: bytes, trained: bool) -> bytes:  # noqa: FBT001 - as MARKS calls it
    at = 0
    while at < len(media):
        size, kind = struct.unpack_from(">I4s", media, at)
        if size == 1:
            size = struct.unpack_from(">Q", media, at + 8)[0]
        if kind == b"uuid" and media[at + 8 : at + 24] == MP4_UUID:
            # What stands behind it would move with another size.
            return media if SOURCE_TYPES.encode() in media[at : at + size] else _without(media, at, trained)
        if size == 0:  # the last box goes to the end of the file, where another is to stand
            rest = struct.pack(">I", len(media) - at)
            return media[:at] + rest + media[at + 4 :] + mp4_box(trained=trained)
        if size < 8:
            raise ValueError(kind)
        at += size
    return media + mp4_box(trained=trained)


def _without(media: bytes, at: int, trained: bool) -> bytes:  # noqa: FBT001 - as MARKS calls it
    """With the box at this place passed over by readers, and its packet, completed, at the end."""
    size = struct.unpack_from(">I", media, at)[0]
    xmp = _with_type(media[at + 24 : at + size], trained=trained)
    box = struct.pack(">I4s", 24 + len(xmp), b"uuid") + MP4_UUID + xmp
    return media[: at + 4] + b"free" + media[at + 8 :] + box


MARKS: dict[str, Callable[[bytes, bool], bytes]] = {
    "image/png": _png,
    "image/jpeg": _jpeg,
    "image/webp": _webp,
    "video/mp4": _mp4,
}
