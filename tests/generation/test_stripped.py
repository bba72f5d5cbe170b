"""Files without the text in them: the same picture, the same size, and nothing of what was written."""

from __future__ import annotations

import io
import re
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal
from xml.etree import ElementTree

import av
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from generation.media.container_formats import ebml_number
from generation.media.measure import measure
from generation.media.source_type import source_type
from generation.media.stripped import KnownPatches, StrippedFile
from generation.media.stripped_videos import MASTERS
from ourvidz_worker.engines import xmp
from tests.generation.mp4_boxes import box, changed

pytestmark = pytest.mark.any_database
SECRET = "quokka in the attic"
XMP = f"<x:xmpmeta>{SECRET}</x:xmpmeta>".encode()


def picture() -> Image.Image:
    pixels = np.arange(48 * 32 * 3, dtype=np.uint32).reshape(32, 48, 3)
    return Image.fromarray((pixels * 7 % 256).astype(np.uint8))


def exif(orientation: int = 1) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    tags[0x010E] = SECRET
    tags[0x9286] = f"ASCII\0\0\0{SECRET}".encode()
    return tags


def png() -> bytes:
    out, text = io.BytesIO(), PngInfo()
    text.add_text("parameters", SECRET)
    text.add_itxt("prompt", SECRET + " 灯台", zip=False)
    text.add_text("workflow", SECRET * 40)
    text.add(b"prVt", SECRET.encode())
    picture().save(out, "PNG", pnginfo=text, exif=exif())
    return out.getvalue() + SECRET.encode()


def jpeg(orientation: int = 1) -> bytes:
    out = io.BytesIO()
    picture().save(out, "JPEG", quality=95, exif=exif(orientation), comment=SECRET, xmp=XMP)
    private = b"".join(bytes([0xFF, app, 0, len(SECRET) + 2]) + SECRET.encode() for app in range(0xE0, 0xF0))
    return out.getvalue()[:2] + private + out.getvalue()[2:] + SECRET.encode()


def webp(orientation: int = 1) -> bytes:
    out = io.BytesIO()
    picture().save(out, "WEBP", lossless=True, exif=exif(orientation), xmp=XMP)
    private = b"prVt" + (len(SECRET) + 1).to_bytes(4, "little") + SECRET.encode() + b"."
    content = out.getvalue() + private
    return content[:4] + (len(content) - 8).to_bytes(4, "little") + content[8:]


def video(container: str, codec: Literal["libx264", "libvpx-vp9"]) -> bytes:
    out = io.BytesIO()
    options = {"movflags": "use_metadata_tags"} if container == "mp4" else {}
    with av.open(out, "w", format=container, options=options) as made:
        made.metadata.update({"comment": SECRET, "title": SECRET, "prompt": SECRET})
        stream = made.add_stream(codec, rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(4):
            made.mux(stream.encode(av.VideoFrame.from_image(picture().resize((64, 48)))))
        made.mux(stream.encode(None))
    return out.getvalue()


FILES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "png": ("image/png", png),
    "jpeg": ("image/jpeg", jpeg),
    "jpeg that is turned": ("image/jpeg", lambda: jpeg(6)),
    "webp": ("image/webp", webp),
    "webp that is turned": ("image/webp", lambda: webp(6)),
    "mp4": ("video/mp4", lambda: video("mp4", "libx264")),
    "webm": ("video/webm", lambda: video("webm", "libvpx-vp9")),
}


def frames(content: bytes, content_type: str) -> list[bytes]:
    if content_type.startswith("image/"):
        with Image.open(io.BytesIO(content)) as opened:
            turned = str(opened.getexif().get(0x0112, 1))
            return [opened.convert("RGB").tobytes(), turned.encode()]
    with av.open(io.BytesIO(content), "r") as container:
        return [frame.to_ndarray().tobytes() for frame in container.decode(video=0)]


@pytest.mark.parametrize("name", FILES)
def test_the_picture_stays_and_the_text_goes(name: str) -> None:
    content_type, make = FILES[name]
    original = make()
    assert SECRET.encode() in original

    file = StrippedFile(io.BytesIO(original), content_type)
    stripped = file.read()

    assert b"quokka" not in stripped
    assert len(stripped) == len(original) == file.size
    assert frames(stripped, content_type) == frames(original, content_type)
    media = content_type.partition("/")[0]
    assert (
        measure(io.BytesIO(stripped), media=media).content_type == content_type
    )  # as strictly as a worker's
    for start in range(0, len(original), 977):  # a range begins and ends anywhere
        file.seek(start)
        assert file.read(311) == stripped[start : start + 311]


def marked(content: bytes, content_type: str) -> bytes:
    """As our worker marks its files; the text of others stands in the same packet."""
    return xmp.marked(content, content_type)


def png_without_xmp() -> bytes:
    return png()[: -len(SECRET)]


MARKED: dict[str, tuple[str, Callable[[], bytes]]] = {
    name: (content_type, partial(lambda make, kind: marked(make(), kind), make, content_type))
    for name, (content_type, make) in {
        **FILES,
        "png": ("image/png", png_without_xmp),
        "jpeg": ("image/jpeg", lambda: jpeg()[: -len(SECRET)]),
    }.items()
    if content_type != "video/webm"
}


@pytest.mark.parametrize("name", MARKED)
def test_that_it_was_generated_stays(name: str) -> None:
    content_type, make = MARKED[name]
    original = make()
    stripped = StrippedFile(io.BytesIO(original), content_type).read()
    assert b"quokka" not in stripped
    assert len(stripped) == len(original)
    assert frames(stripped, content_type) == frames(original, content_type)
    assert measure(io.BytesIO(stripped), media=content_type.partition("/")[0]).content_type == content_type
    packet = packet_of(stripped)
    assert source_type(packet) == "trainedAlgorithmicMedia"
    ElementTree.fromstring(re.sub(rb"<\?xpacket.*?\?>", b"", packet))  # noqa: S314 - it is well-formed


def packet_of(media: bytes) -> bytes:
    if media[4:8] == b"ftyp":
        with av.open(io.BytesIO(media), "r", options={"export_xmp": "1"}) as container:
            return container.metadata["xmp"].encode()
    with Image.open(io.BytesIO(media)) as opened:
        found: bytes | str = opened.info["XML:com.adobe.xmp" if opened.format == "PNG" else "xmp"]
    return found.encode() if isinstance(found, str) else found


@pytest.mark.parametrize("said", ["quokkaMedia", "trainedAlgorithmicMediaQuokka", ""])
def test_what_no_source_type_is_does_not_stay(said: str) -> None:
    """Else the place of the mark would be one for text."""
    packet = xmp.packet(trained=True).replace(b"trainedAlgorithmicMedia", said.encode())
    out = io.BytesIO()
    picture().save(out, "JPEG", xmp=packet)
    stripped = StrippedFile(out, "image/jpeg").read()
    assert b"quokka" not in stripped.lower()
    assert b"digitalsourcetype" not in stripped


@pytest.mark.parametrize("place", [b"moov", b"trak", b"mdia", b"stbl", b"udta", b"file"])
@pytest.mark.parametrize("kind", [b"free", b"skip", b"wide", b"uuid", b"quok", b"meta"])
def test_no_box_of_a_film_hides_text(kind: bytes, place: bytes) -> None:
    hidden = box(kind, bytes(16) + SECRET.encode())
    original = video("mp4", "libx264")
    original = original + hidden if place == b"file" else changed(original, place, lambda old: old + hidden)
    assert SECRET.encode() in original
    check_film(original, "video/mp4")


def test_no_description_of_samples_hides_text() -> None:
    def filled(payload: bytes) -> bytes:
        entry = payload[8:]
        name = bytes([len(SECRET)]) + SECRET.encode().ljust(31, b"\0")
        inside = entry[8 : 8 + 42] + name + entry[8 + 74 :] + box(b"free", SECRET.encode())
        return payload[:8] + box(entry[4:8], inside)

    original = changed(video("mp4", "libx264"), b"stsd", filled)
    assert original.count(SECRET.encode()) >= 2
    check_film(original, "video/mp4")


def test_no_name_of_a_track_hides_text() -> None:
    def named(payload: bytes) -> bytes:
        return payload[:24] + SECRET.encode() + b"\0"

    check_film(changed(video("mp4", "libx264"), b"hdlr", named), "video/mp4")


def check_film(original: bytes, content_type: str) -> None:
    stripped = StrippedFile(io.BytesIO(original), content_type).read()
    assert b"quokka" not in stripped
    assert len(stripped) == len(original)
    assert frames(stripped, content_type) == frames(original, content_type)
    assert measure(io.BytesIO(stripped), media="video") == measure(io.BytesIO(original), media="video")


def element(kind: int, payload: bytes) -> bytes:
    name = kind.to_bytes((kind.bit_length() + 7) // 8, "big")
    return name + (1 << 56 | len(payload)).to_bytes(8, "big") + payload


def with_element(content: bytes, parent: int, hidden: bytes) -> bytes:
    """As the last in each such element; of 0, behind all."""
    if not parent:
        return content + hidden
    return b"".join(_rebuilt(content, parent, hidden))


def _rebuilt(content: bytes, parent: int, hidden: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(content):
        kind, id_bytes = ebml_number(content[at : at + 8], keep_marker=True)
        size, size_bytes = ebml_number(content[at + id_bytes : at + id_bytes + 8])
        assert kind is not None
        start = at + id_bytes + size_bytes
        end = len(content) if size is None else start + size
        payload = content[start:end]
        if kind in MASTERS:
            inside = b"".join(_rebuilt(payload, parent, hidden)) + (hidden if kind == parent else b"")
            yield element(kind, inside)
        else:
            yield content[at:end]
        at = end


SEGMENT, INFO, TRACKS, TRACK, CLUSTER = 0x18538067, 0x1549A966, 0x1654AE6B, 0xAE, 0x1F43B675


@pytest.mark.parametrize("parent", [0, SEGMENT, INFO, TRACKS, TRACK, CLUSTER])
@pytest.mark.parametrize("kind", [0xEC, 0xBF, 0x1043A770, 0x1254C367, 0x4FAB])
def test_no_element_of_a_webm_hides_text(kind: int, parent: int) -> None:
    """Void, a checksum, chapters, tags, and what nobody knows."""
    original = with_element(video("webm", "libvpx-vp9"), parent, element(kind, SECRET.encode()))
    check_film(original, "video/webm")


@pytest.mark.parametrize("kind", [0x7BA9, 0x4D80, 0x5741, 0x7384])
def test_no_text_of_a_webm_stays(kind: int) -> None:
    """Title, the two programs, the name of the file."""
    original = with_element(video("webm", "libvpx-vp9"), INFO, element(kind, SECRET.encode()))
    check_film(original, "video/webm")


def test_a_live_recording_is_stripped_too() -> None:
    """Neither its segment nor its clusters say how long they are."""
    made = with_element(video("webm", "libvpx-vp9"), CLUSTER, element(0xEC, SECRET.encode()))
    unknown = (0x01FFFFFFFFFFFFFF).to_bytes(8, "big")
    for kind in (SEGMENT, CLUSTER):
        at = made.index(kind.to_bytes(4, "big")) + 4
        made = made[:at] + unknown + made[at + 8 :]
    stripped = StrippedFile(io.BytesIO(made), "video/webm").read()
    assert b"quokka" not in stripped
    assert frames(stripped, "video/webm") == frames(made, "video/webm")


def test_what_goes_takes_no_memory() -> None:
    """Whoever has a link may ask for a byte of it, as often as he likes."""
    out, text = io.BytesIO(), PngInfo()
    text.add_text("parameters", "x" * 30_000_000)
    picture().save(out, "PNG", pnginfo=text)
    tracemalloc.start()
    StrippedFile(out, "image/png").read(1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3_000_000


class Counted(io.BytesIO):
    """Counts the bytes that are read."""

    bytes_read = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.bytes_read += len(data)
        return data


def test_a_range_of_a_file_that_was_asked_for_before_is_read_alone() -> None:
    """A browser asks for a large file in ranges: to look through all of it for each took the disk's time."""
    known, whole = KnownPatches(), png() + bytes(500_000)
    expected = StrippedFile(io.BytesIO(whole), "image/png").read()
    for number in range(3):
        file = Counted(whole)
        stripped = StrippedFile(file, "image/png", known.of("a.png", file, "image/png"))
        stripped.seek(20)
        assert stripped.read(300) == expected[20:320]
        if number:
            assert file.bytes_read == 300


def test_what_is_known_of_files_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the files asked for longest ago, and by those with thousands of texts."""
    monkeypatch.setattr(KnownPatches, "MOST_FILES", 2)
    known = KnownPatches()
    for name in ("a", "b", "a", "c"):
        known.of(name, io.BytesIO(png()), "image/png")
    read = {}
    for name in ("a", "c", "b"):
        known.of(name, file := Counted(png()), "image/png")
        read[name] = file.bytes_read > 0
    assert read == {"a": False, "c": False, "b": True}

    monkeypatch.setattr(KnownPatches, "MOST_PATCHES", 2)
    for _ in range(2):
        known.of("d", file := Counted(png()), "image/png")
        assert file.bytes_read
