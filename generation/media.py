"""Media is never trusted: what a file is comes from its bytes, by a full decode under caps.

Allowed by content: PNG, JPEG, WebP for images; MP4, WebM for videos. Name and content type are ours.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import BinaryIO

import av
from PIL import Image, UnidentifiedImageError

MAX_PIXELS = 64_000_000  # 8000 x 8000; the largest job type makes about 1 MP
MAX_VIDEO_PIXELS = 4096 * 2304
MAX_FRAMES = 3000
THUMBNAIL_EDGE = 512
IMAGE_TYPES = {"PNG": ("image/png", "png"), "JPEG": ("image/jpeg", "jpg"), "WEBP": ("image/webp", "webp")}
VIDEO_TYPES = {"mp4": ("video/mp4", "mp4"), "webm": ("video/webm", "webm")}
CONTENT_TYPES = {
    "image": [content_type for content_type, _ in IMAGE_TYPES.values()],
    "video": [content_type for content_type, _ in VIDEO_TYPES.values()],
}


class BrokenMedia(Exception):
    """The bytes cannot be kept; `code` for programs, `message` for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a file really is. Sizes in px, duration in s; the thumbnail is WebP of at most 512 px."""

    content_type: str
    extension: str
    width: int
    height: int
    thumbnail: bytes
    duration: float | None = None
    frames: int | None = None


def measure(content: BinaryIO, *, media: str) -> Measured:
    """Decode the whole file and say what it is.

    Raises:
        BrokenMedia: another format than `media` allows, broken, truncated or too large.
    """
    content.seek(0)
    return _measure_video(content) if media == "video" else _measure_image(content)


def _measure_image(content: BinaryIO) -> Measured:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(content, formats=list(IMAGE_TYPES))
        _check_pixels(picture.width, picture.height, MAX_PIXELS)
        content_type, extension = IMAGE_TYPES[picture.format or ""]
        picture.load()
    except Image.DecompressionBombError:
        raise _too_large() from None
    except UnidentifiedImageError:
        raise BrokenMedia("wrong_format", "This is not a PNG, JPEG or WebP image.") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise BrokenMedia("broken_media", "The image is truncated or damaged.") from error
    return Measured(
        content_type=content_type,
        extension=extension,
        width=picture.width,
        height=picture.height,
        thumbnail=_thumbnail(picture),
    )


def _measure_video(content: BinaryIO) -> Measured:
    try:
        with av.open(content, mode="r") as container:
            content_type, extension = _container_type(container.format.name)
            if not container.streams.video:
                raise BrokenMedia("wrong_format", "The file has no picture track.")
            return _decode_video(container, content_type, extension)
    except av.FFmpegError as error:
        raise BrokenMedia("broken_media", "The video is truncated, damaged or not a video.") from error


def _container_type(names: str) -> tuple[str, str]:
    for name, kind in VIDEO_TYPES.items():
        if name in names.split(","):
            return kind
    raise BrokenMedia("wrong_format", "This is not an MP4 or WebM video.")


def _decode_video(container: av.container.InputContainer, content_type: str, extension: str) -> Measured:
    stream = container.streams.video[0]
    _check_pixels(stream.width, stream.height, MAX_VIDEO_PIXELS)
    frames, poster = 0, None
    for frame in container.decode(stream):
        _check_pixels(frame.width, frame.height, MAX_VIDEO_PIXELS)
        poster = poster or frame.to_image()
        frames += 1
        if frames > MAX_FRAMES:
            raise BrokenMedia("too_large", f"A video has at most {MAX_FRAMES:,} frames.")
    if poster is None or (stream.frames and frames < stream.frames):
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
    if not 0 < width * height <= limit:
        raise _too_large()


def _too_large() -> BrokenMedia:
    return BrokenMedia("too_large", f"A picture has at most {MAX_PIXELS:,} pixels.")


def _thumbnail(picture: Image.Image) -> bytes:
    mode = "RGBA" if "A" in picture.getbands() else "RGB"
    small = picture.convert(mode)
    small.thumbnail((THUMBNAIL_EDGE, THUMBNAIL_EDGE), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    small.save(out, "WEBP", quality=82, method=4)
    return out.getvalue()
