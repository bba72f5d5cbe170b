"""Measures untrusted media by a full decode under caps; a file's declared name and type are ignored.

Accepted by content: PNG, JPEG, WebP for images; MP4, WebM for videos.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import BinaryIO

import av
from PIL import Image, ImageOps, UnidentifiedImageError

from generation.media.container_formats import container_of, is_whole_picture, is_whole_video

MAX_PIXELS = 64_000_000  # 8000 x 8000; the largest job type makes about 1 MP
MAX_VIDEO_PIXELS = 4096 * 2304
MAX_FRAMES = 3000
MAX_SCANS = 100  # of a progressive JPEG, which has about ten; each passes over every pixel
THUMBNAIL_EDGE = 512
IMAGE_TYPES = {"PNG": ("image/png", "png"), "JPEG": ("image/jpeg", "jpg"), "WEBP": ("image/webp", "webp")}
VIDEO_TYPES = {"mp4": ("video/mp4", "mp4"), "webm": ("video/webm", "webm")}
EXTENSIONS = dict([*IMAGE_TYPES.values(), *VIDEO_TYPES.values()])
DEMUXERS = {"mp4": "mp4", "webm": "matroska"}
VIDEO_CODECS = {"h264", "vp8", "vp9", "av1"}  # what browsers play everywhere
CONTENT_TYPES = {
    "image": [content_type for content_type, _ in IMAGE_TYPES.values()],
    "video": [content_type for content_type, _ in VIDEO_TYPES.values()],
}


class BrokenMedia(Exception):
    """The file cannot be accepted; `code` for programs, `message` for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A file's measured properties. Sizes in px, duration in s; the thumbnail is WebP of at most 512 px."""

    content_type: str
    extension: str
    width: int
    height: int
    thumbnail: bytes
    duration: float | None = None
    frames: int | None = None


def measure(content: BinaryIO, *, media: str, max_side: int | None = None) -> Measured:
    """Decode the whole file and measure it; an image may have at most `max_side` px a side, if given.

    Raises:
        BrokenMedia: another format than `media` allows, broken, truncated or too large.
    """
    content.seek(0)
    try:
        return _measure_video(content) if media == "video" else _measure_image(content, max_side)
    except BrokenMedia:
        raise
    except Image.DecompressionBombError:
        raise _too_large(MAX_PIXELS) from None
    except Exception as error:  # hostile bytes make decoders raise anything
        raise BrokenMedia("broken_media", f"The {media} is truncated or damaged.") from error


def _measure_image(content: BinaryIO, max_side: int | None) -> Measured:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the caps below decide, not Pillow's own milder ones
        try:
            picture = Image.open(content, formats=list(IMAGE_TYPES))
        except UnidentifiedImageError:
            raise BrokenMedia("wrong_format", "This is not a PNG, JPEG or WebP image.") from None
        if getattr(picture, "is_animated", False):
            raise BrokenMedia("wrong_format", "This file holds more than one picture.")
        _check_pixels(picture.width, picture.height, MAX_PIXELS)
        if max_side and max(picture.size) > max_side:
            raise BrokenMedia("too_large", f"At most {max_side} px a side are taken here.")
        if picture.format == "JPEG":
            _check_scans(content)
        content_type, extension = IMAGE_TYPES[picture.format or ""]
        picture.load()
        if not is_whole_picture(content, picture.format or ""):
            raise BrokenMedia("broken_media", "The image is truncated.")
        # A camera that was held sideways only says so; browsers and workers turn its picture.
        ImageOps.exif_transpose(picture, in_place=True)
        return Measured(
            content_type=content_type,
            extension=extension,
            width=picture.width,
            height=picture.height,
            thumbnail=_thumbnail(picture),
        )


def _measure_video(content: BinaryIO) -> Measured:
    name = container_of(content)
    if not name:
        raise BrokenMedia("wrong_format", "This is not an MP4 or WebM video.")
    if not is_whole_video(content, name):
        raise BrokenMedia("broken_media", "The video is truncated.")
    content.seek(0)
    # The format is named, so that no other of FFmpeg's many demuxers ever sees the bytes.
    with av.open(content, mode="r", format=DEMUXERS[name], metadata_errors="ignore") as container:
        if not container.streams.video:
            raise BrokenMedia("wrong_format", "The file has no picture track.")
        return _decode_video(container, *VIDEO_TYPES[name])


def _decode_video(container: av.container.InputContainer, content_type: str, extension: str) -> Measured:
    stream = container.streams.video[0]
    if stream.codec.canonical_name not in VIDEO_CODECS:
        raise BrokenMedia("wrong_format", "Browsers cannot play this video's coding; H.264, VP9 and AV1 do.")
    _check_pixels(stream.width, stream.height, MAX_VIDEO_PIXELS)
    frames, poster = 0, None
    for frame in container.decode(stream):
        _check_pixels(frame.width, frame.height, MAX_VIDEO_PIXELS)
        poster = poster or frame.to_image()
        frames += 1
        if frames > MAX_FRAMES:
            raise BrokenMedia("too_large", f"A video has at most {MAX_FRAMES:,} frames.")
    if poster is None or frames < stream.frames:
        raise BrokenMedia("broken_media", "The video is truncated: frames are missing.")
    rate = float(stream.average_rate or 0)
    return Measured(
        content_type=content_type,
        extension=extension,
        width=poster.width,
        height=poster.height,
        thumbnail=_thumbnail(poster),
        duration=round(frames / rate, 3) if rate else None,
        frames=frames,
    )


def _check_pixels(width: int, height: int, limit: int) -> None:
    if width * height > limit:
        raise _too_large(limit)
    if width < 1 or height < 1:
        raise BrokenMedia("broken_media", "The file does not say how large its picture is.")


def _check_scans(content: BinaryIO) -> None:
    """A scan of a dozen bytes can take a third of a second: a small file could keep a core busy for hours."""
    position = content.tell()
    content.seek(0)
    scans = content.read().count(b"\xff\xda")
    content.seek(position)
    if scans > MAX_SCANS:
        raise BrokenMedia("too_large", f"A JPEG has at most {MAX_SCANS} scans.")


def _too_large(limit: int) -> BrokenMedia:
    return BrokenMedia("too_large", f"A picture has at most {limit:,} pixels.")


def _thumbnail(picture: Image.Image) -> bytes:
    if picture.mode.startswith("I"):  # 16 bits a pixel, which a plain conversion would clip to white
        picture = picture.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    transparent = "A" in picture.getbands() or "transparency" in picture.info
    small = picture.convert("RGBA" if transparent else "RGB")
    # Halved as often as that fits before it is resampled; both options save two thirds of the time.
    small.thumbnail((THUMBNAIL_EDGE, THUMBNAIL_EDGE), Image.Resampling.LANCZOS, reducing_gap=1.0)
    out = io.BytesIO()
    small.save(out, "WEBP", quality=82, method=2)
    return out.getvalue()
