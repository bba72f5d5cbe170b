"""What is in a file decides, never what somebody calls it."""

from __future__ import annotations

import contextlib
import io
import random
import warnings

import pytest
from PIL import Image

from generation.media import decode_video
from generation.media.formats import MAX_PIXELS, BrokenMedia, Measured
from generation.media.measure import measure
from tests.factories import mp4, png
from tests.generation.pictures import animated, clip, encoded, plain, png_that_claims, sound_only

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"


def measured(content: bytes, media: str = "image") -> Measured:
    return measure(io.BytesIO(content), media=media)


def refusal(content: bytes, media: str = "image") -> str:
    with pytest.raises(BrokenMedia) as refused:
        measured(content, media)
    assert refused.value.message.endswith(".")
    return refused.value.code


def message(content: bytes, media: str = "image") -> str:
    with pytest.raises(BrokenMedia) as refused:
        measured(content, media)
    return refused.value.message


def thumbnail(found: Measured) -> Image.Image:
    picture = Image.open(io.BytesIO(found.thumbnail))
    assert picture.format == "WEBP"
    return picture


@pytest.mark.parametrize(
    ("kind", "content_type", "extension"),
    [("PNG", "image/png", "png"), ("JPEG", "image/jpeg", "jpg"), ("WEBP", "image/webp", "webp")],
)
def test_a_picture_of_each_kind_is_measured_from_its_bytes(
    kind: str, content_type: str, extension: str
) -> None:
    """pitfall 21"""
    found = measured(encoded(plain(80, 60), kind))
    assert (found.content_type, found.extension) == (content_type, extension)
    assert (found.width, found.height, found.duration, found.frames) == (80, 60, None, None)


@pytest.mark.parametrize(
    ("container", "codec", "content_type"),
    [("mp4", "libx264", "video/mp4"), ("webm", "libvpx-vp9", "video/webm"), ("webm", "libvpx", "video/webm")],
)
def test_a_clip_of_each_kind_is_measured_from_its_frames(
    container: str, codec: str, content_type: str
) -> None:
    found = measured(clip(container, codec), "video")
    assert (found.content_type, found.extension) == (content_type, container)
    assert (found.width, found.height, found.frames) == (64, 64, 16)
    assert found.duration == pytest.approx(1.0, abs=0.001)  # a WebM counts in milliseconds, and says 1.001
    assert thumbnail(found).size == (64, 64)


def test_the_thumbnail_is_small_and_keeps_the_shape() -> None:
    assert thumbnail(measured(png(1344, 768))).size == (512, 293)


def test_a_line_of_pixels_still_has_a_thumbnail() -> None:
    assert thumbnail(measured(png(5000, 1))).size == (512, 1)


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "RGBA", "CMYK", "I;16"])
def test_every_way_to_store_colours_is_taken(mode: str) -> None:
    picture = Image.new("I;16", (64, 48)) if mode == "I;16" else plain().convert(mode)
    found = measured(encoded(picture, "JPEG" if mode == "CMYK" else "PNG"))
    assert (found.width, found.height) == (64, 48)


def test_sixteen_bits_a_pixel_keep_their_brightness_in_the_thumbnail() -> None:
    dark = measured(encoded(Image.new("I;16", (64, 48), 0x3000), "PNG"))
    brightness = thumbnail(dark).convert("L").getpixel((10, 10))
    assert isinstance(brightness, int)
    assert abs(brightness - 0x30) < 4


def test_a_transparent_palette_stays_transparent_in_the_thumbnail() -> None:
    picture = Image.new("P", (64, 48), 0)
    found = measured(encoded(picture, "PNG", transparency=b"\0"))
    assert thumbnail(found).convert("RGBA").getpixel((10, 10))[3] == 0  # type: ignore[index] # RGBA is a tuple


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_a_picture_that_moves_is_no_image(kind: str) -> None:
    assert "holds 4 pictures" in message(animated(kind))


def test_the_first_picture_of_a_jpeg_that_holds_several_is_taken() -> None:
    """Pitfall 43: as browsers do; phones write them (MPO)."""
    found = measured(animated("MPO"))
    assert (found.content_type, found.width, found.height) == ("image/jpeg", 64, 48)


@pytest.mark.parametrize("content", [b"", b"hello world" * 99, SVG, PLAYLIST, encoded(plain(), "GIF"), mp4()])
def test_what_is_no_picture_is_refused(content: bytes) -> None:
    assert refusal(content) == "wrong_format"


@pytest.mark.parametrize("content", [b"", b"hello world" * 99, SVG, PLAYLIST, png(), b"\0" * 4096])
def test_what_is_no_video_is_refused(content: bytes) -> None:
    assert refusal(content, "video") == "wrong_format"


@pytest.mark.parametrize("container", ["matroska", "mov", "avi", "mpegts"])
def test_other_containers_are_not_taken_for_mp4_or_webm(container: str) -> None:
    """pitfall 21: Matroska was stored as video/webm, QuickTime as video/mp4."""
    assert refusal(clip(container), "video") == "wrong_format"


def test_a_clip_that_browsers_cannot_play_is_refused() -> None:
    assert refusal(clip("mp4", "mpeg4"), "video") == "wrong_format"


def test_a_clip_without_pictures_is_refused() -> None:
    assert refusal(sound_only(), "video") == "wrong_format"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_truncated_picture_is_refused(kind: str, share: float) -> None:
    content = encoded(plain(200, 150), kind)
    assert refusal(content[: int(len(content) * share)]) == "broken_media"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("cut", [1, 2, 12, 20])
def test_a_picture_that_lacks_only_its_end_is_refused(kind: str, cut: int) -> None:
    """Every pixel was there, so Pillow said nothing."""
    assert refusal(encoded(plain(), kind)[:-cut]) == "broken_media"


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_bytes_that_a_program_appended_do_no_harm(kind: str) -> None:
    """Pitfall 43"""
    assert measured(encoded(plain(), kind) + b"made by hand").width == 64


@pytest.mark.parametrize("cut", [1, 10, 100, 1000, 8000])
@pytest.mark.parametrize("kind", ["mp4", "mp4 faststart", "webm"])
def test_a_truncated_clip_is_refused_however_little_is_missing(kind: str, cut: int) -> None:
    """A WebM cut in half was kept as a shorter clip."""
    container, _, faststart = kind.partition(" ")
    codec = "libvpx-vp9" if container == "webm" else "libx264"
    content = clip(container, codec, faststart=bool(faststart))
    assert refusal(content[:-cut], "video") == "broken_media"


@pytest.mark.parametrize("size", [(50_000, 50_000), (9_000, 9_000), (MAX_PIXELS + 1, 1)])
def test_a_picture_that_claims_too_many_pixels_is_refused_before_it_is_decoded(size: tuple[int, int]) -> None:
    assert refusal(png_that_claims(*size)) == "too_large"


# It collects garbage, and with it what other tests have left open.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_clip_of_too_many_frames_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode_video, "MAX_FRAMES", 10)
    with pytest.raises(BrokenMedia, match="at most 10 frames"):
        decode_video.measure_video(io.BytesIO(clip()))


@pytest.mark.parametrize(
    ("media", "content"),
    [
        ("image", encoded(plain(), "PNG")),
        ("image", encoded(plain(), "JPEG")),
        ("image", encoded(plain(), "WEBP")),
        ("video", clip()),
        ("video", clip("webm", "libvpx-vp9")),
    ],
    ids=["png", "jpeg", "webp", "mp4", "webm"],
)
def test_damaged_bytes_are_measured_or_refused_and_nothing_else(media: str, content: bytes) -> None:
    """Decoders raise whatever they like: UnicodeDecodeError and AttributeError were seen."""
    dice = random.Random(7)
    for _ in range(60):
        damaged = bytearray(content)
        for _ in range(dice.randint(1, 6)):
            damaged[dice.randrange(min(len(damaged), 600))] = dice.randrange(256)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with contextlib.suppress(BrokenMedia):
                assert measured(bytes(damaged), media).width > 0


def test_a_jpeg_of_very_many_scans_is_refused_before_it_is_decoded() -> None:
    """Forty kilobytes would keep a core busy for many minutes."""
    picture = encoded(plain(64, 64), "JPEG", progressive=True)
    assert measured(picture).content_type == "image/jpeg"
    start = picture.rindex(b"\xff\xda")
    assert refusal(picture[:-2] + picture[start:-2] * 3000 + picture[-2:]) == "too_large"
