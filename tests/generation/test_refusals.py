"""A refusal names what was seen in the file; it does not call damaged what a decoder did not like."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest
from django.contrib.auth.models import User
from django.test import Client

from generation.media import decode_video
from generation.media.formats import BrokenMedia
from generation.media.measure import measure
from generation.models import Worker
from tests.factories import lease_next, make_job, upload
from tests.generation.image_kinds import png_of, scene, with_parts
from tests.generation.mp4_boxes import box, changed
from tests.generation.pictures import animated, chunk, encoded, plain
from tests.generation.video_kinds import video

MB = 1024 * 1024
THREADS = Path("/proc/self/task")


def refusal(content: bytes, media: str = "image") -> tuple[str, str]:
    with pytest.raises(BrokenMedia) as refused:
        measure(io.BytesIO(content), media=media)
    assert refused.value.message.endswith(".")
    assert "Errno" not in refused.value.message
    assert "<_io" not in refused.value.message
    return refused.value.code, refused.value.message


def png_parts_of(content: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 8
    while at < len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        found.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + size]))
        at += 12 + size
    return found


def png_with(change: Callable[[bytes, bytes], bytes]) -> bytes:
    """A PNG with the data of its parts changed, their checksums right."""
    parts = [chunk(name, change(name, data)) for name, data in png_parts_of(png_of(8, 2))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def of_part(wanted: bytes, data: bytes | Callable[[bytes], bytes]) -> bytes:
    def change(name: bytes, old: bytes) -> bytes:
        if name != wanted:
            return old
        return data if isinstance(data, bytes) else data(old)

    return png_with(change)


def with_wrong_checksum(kind: bytes) -> bytes:
    content = bytearray(png_of(8, 2))
    at = content.index(kind)
    size = int.from_bytes(content[at - 4 : at], "big")
    content[at + 4 + size] ^= 0xFF
    return bytes(content)


def header(depth: int, colours: int, width: int = 96) -> bytes:
    return struct.pack(">IIBBBBB", width, 64, depth, colours, 0, 0, 0)


def with_texts(count: int, size: int) -> bytes:
    """Each is allowed, all together are too large for Pillow."""
    packed = chunk(b"zTXt", b"a\0\0" + zlib.compress(b"\0" * size))
    content = png_of(8, 2)
    return content[:33] + packed * count + content[33:]


def jpeg_with(marker: int, precision: int = 8, components: int | None = None) -> bytes:
    """Its frame header says another kind of JPEG."""
    content = bytearray(encoded(scene(), "JPEG"))
    at = content.index(b"\xff\xc0")
    content[at + 1], content[at + 4] = marker, precision
    if components is not None:
        content[at + 9] = components
    return bytes(content)


def webp_whose_part_goes_on() -> bytes:
    content = bytearray(encoded(scene(), "WEBP"))
    content[16:20] = (10**6).to_bytes(4, "little")
    return bytes(content)


def lossless_jpeg() -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format="image2pipe") as file:
        stream: Any = file.add_stream("ljpeg", rate=1)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuvj444p"
        stream.codec_context.color_range = 2
        frame = av.VideoFrame.from_image(scene())
        file.mux(stream.encode(frame.reformat(format="yuvj444p", dst_color_range=2)))
        file.mux(stream.encode(None))
    return out.getvalue()


IMAGES: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "checksum of pixels": (lambda: with_wrong_checksum(b"IDAT"), "broken_media", "its part IDAT at byte 33"),
    "checksum of the header": (
        lambda: with_wrong_checksum(b"IHDR"),
        "broken_media",
        "its part IHDR at byte 8 is wrong",
    ),
    "pixels that stop": (
        lambda: of_part(b"IDAT", lambda data: zlib.compress(zlib.decompress(data)[:9000])),
        "broken_media",
        "lacks pixels: 9,000 of 18,496 bytes",
    ),
    "pixels that are none": (
        lambda: of_part(b"IDAT", b"not packed at all"),
        "broken_media",
        "cannot be unpacked behind byte 41",
    ),
    "three bits": (lambda: of_part(b"IHDR", header(3, 2)), "wrong_format", "No PNG has 3 bits"),
    "HDR": (
        lambda: with_parts(scene(), chunk(b"cICP", bytes((9, 16, 0, 1)))),
        "wrong_format",
        "cICP (9, 16, 0, 1)",
    ),
    "no width": (lambda: of_part(b"IHDR", header(8, 2, width=0)), "broken_media", "how large its picture is"),
    "texts of 70 MB": (lambda: with_texts(70, MB), "too_large", "A text or colour profile"),
    "lossless JPEG": (lambda: jpeg_with(0xC3), "wrong_format", "a JPEG stored without loss"),
    "hierarchical JPEG": (lambda: jpeg_with(0xC5), "wrong_format", "hierarchical"),
    "JPEG of 12 bits": (lambda: jpeg_with(0xC1, 12), "wrong_format", "a JPEG of 12 bits a channel"),
    "JPEG of two channels": (lambda: jpeg_with(0xC0, components=2), "wrong_format", "a JPEG of 2 channels"),
    "arithmetic JPEG": (lambda: jpeg_with(0xC9), "wrong_format", "coded arithmetically"),
    "FFmpeg's lossless JPEG": (lossless_jpeg, "wrong_format", "a JPEG stored without loss"),
    "JPEG without a picture": (lambda: b"\xff\xd8\xff\xd9", "broken_media", "ends at byte 4"),
    "part of a WebP": (webp_whose_part_goes_on, "broken_media", "its part VP8 at byte 12 goes on"),
    "several pictures": (lambda: animated("WEBP"), "wrong_format", "holds 4 pictures, where one is taken"),
    "cut off": (lambda: png_of(8, 2)[:1000], "broken_media", "cut off at byte 1,000"),
    "JPEG XL": (lambda: b"\xff\x0a" + b"\0" * 99, "wrong_format", "This is a JPEG XL image"),
    "AVIF": (lambda: b"\0\0\0\x20ftypavif" + b"\0" * 99, "wrong_format", "This is an AVIF image"),
    "a video": (video, "wrong_format", "This is an MP4 video"),
    "a WebM": (lambda: video("webm", "libvpx"), "wrong_format", "This is a WebM video"),
    "nothing": (lambda: b"", "wrong_format", "This is an empty file"),
}


@pytest.mark.parametrize("name", IMAGES)
def test_of_an_image(name: str) -> None:
    """Pitfall 43"""
    made, code, words = IMAGES[name]
    found = refusal(made())
    assert (found[0], words in found[1]) == (code, True), found[1]


def without_pictures_from(number: int) -> bytes:
    """Its first picture is whole, another is noise."""
    content = bytearray(video(options=(("bf", "0"), ("g", "1"))))
    with av.open(io.BytesIO(bytes(content)), "r") as file:
        packets = [each for each in file.demux(video=0) if each.size]
    packet = packets[number]
    assert packet.pos is not None
    content[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
    return bytes(content)


def pointing_behind_the_end() -> bytes:
    return changed(video(), b"stco", lambda payload: payload[:8] + struct.pack(">I", 10**6))


VIDEOS: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "noise": (lambda: without_pictures_from(4), "broken_media", "Picture 5 of the video at byte"),
    "behind the end": (pointing_behind_the_end, "broken_media", "its table stco names byte 1,000,000"),
    "a track without its header": (
        lambda: box(b"ftyp", b"isom") + box(b"moov", box(b"trak", box(b"tkhd", b""))),
        "broken_media",
        "The header of a track (tkhd) has 0 bytes",
    ),
    "more outer parts than a WebM needs": (
        lambda: video("webm", "libvpx") + b"\xec\x80" * 60_000,
        "too_large",
        "made of more than 50,000 parts",
    ),
    "a PNG": (lambda: png_of(8, 2), "wrong_format", "This is a PNG image"),
    "an AVIF": (lambda: b"\0\0\0\x20ftypavif" + b"\0" * 99, "wrong_format", "This is an AVIF image"),
    "a WebM whose header does not fit": (
        lambda: video("webm", "libvpx").replace(b"\x42\xf2\x81", b"\x42\xf2\xff", 1),
        "broken_media",
        "its parts do not fit",
    ),
    "a playlist": (lambda: b"#EXTM3U\n", "wrong_format", "This is a playlist"),
    "an elementary stream": (
        lambda: b"\0\0\0\x01\x67" + b"\0" * 99,
        "wrong_format",
        "a video stream without a container",
    ),
    "cut off": (lambda: video()[:-10], "broken_media", "cut off at byte"),
}


@pytest.mark.parametrize("name", VIDEOS)
def test_of_a_video(name: str) -> None:
    """Pitfall 43"""
    made, code, words = VIDEOS[name]
    found = refusal(made(), "video")
    assert (found[0], words in found[1]) == (code, True), found[1]


@pytest.mark.skipif(not THREADS.exists(), reason="reads /proc")
def test_a_film_leaves_no_threads_in_its_process() -> None:
    """Pitfall 43: a process without any to be had called every whole film damaged."""
    decode_video.measure_video(io.BytesIO(video()))
    before = len(list(THREADS.iterdir()))
    for _ in range(5):
        decode_video.measure_video(io.BytesIO(video()))
    assert len(list(THREADS.iterdir())) == before


@pytest.mark.parametrize("errno", [11, 24])
def test_a_decoder_without_threads_or_files_does_not_blame_the_film(
    monkeypatch: pytest.MonkeyPatch, errno: int
) -> None:
    """Pitfall 43: the process ends over it, and another one is given the film."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno, "Resource temporarily unavailable")

    film = io.BytesIO(video())
    monkeypatch.setattr(av, "open", refuse)
    with pytest.raises(OSError, match="temporarily"):
        decode_video.measure_video(film)


def test_workers_and_people_read_the_same_words(owner: User, worker: Worker, client: Client) -> None:
    """In an upload's error, and in the answer to a reference image."""
    content = with_wrong_checksum(b"IDAT")
    said = refusal(content)[1]
    client.force_login(owner)
    answer = client.put("/api/v1/references", content, content_type="image/png")
    assert (answer.status_code, said in answer.content.decode()) == (422, True)
    make_job(owner)
    assert upload(lease_next(worker), 0, content).error_message == said


def test_odd_text_does_not_hide_a_whole_picture() -> None:
    """Pitfall 43: an EXIF block of nonsense, or a profile that cannot be read."""
    for options in ({"exif": b"Exif\0\0nonsense"}, {"icc_profile": b"nonsense"}):
        assert measure(io.BytesIO(encoded(plain(), "PNG", **options)), media="image").width == 64
