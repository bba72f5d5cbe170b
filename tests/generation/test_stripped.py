"""Files without the text in them: the same picture, the same size, and nothing of what was written."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable
from typing import Literal

import av
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from generation.media.measure import measure
from generation.media.stripped import KnownPatches, StrippedFile

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
