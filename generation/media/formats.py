"""The media that are accepted, the limits they are held to, and what a measured file is said to be."""

from __future__ import annotations

from dataclasses import dataclass

MAX_PIXELS = 64_000_000  # 8000 x 8000; the largest job type makes about 1 MP
MAX_VIDEO_PIXELS = 4096 * 2304
MAX_FRAMES = 3000
MAX_SAMPLES = 200_000  # that the tables of an MP4 may list, sound included
MAX_SCANS = 32  # of a progressive JPEG, which has about ten; each passes over every pixel
THUMBNAIL_EDGE = 512
SMALL_EDGE = 256
MAX_THUMBNAIL_BYTES = 1024 * 1024
IMAGE_TYPES = {"PNG": ("image/png", "png"), "JPEG": ("image/jpeg", "jpg"), "WEBP": ("image/webp", "webp")}
VIDEO_TYPES = {"mp4": ("video/mp4", "mp4"), "webm": ("video/webm", "webm")}
EXTENSIONS = dict([*IMAGE_TYPES.values(), *VIDEO_TYPES.values()])
CONTENT_TYPES = {
    "image": [content_type for content_type, _ in IMAGE_TYPES.values()],
    "video": [content_type for content_type, _ in VIDEO_TYPES.values()],
}
REFUSALS = ("broken_media", "too_large", "wrong_format")


class BrokenMedia(Exception):
    """The file cannot be accepted; `code`, one of REFUSALS, for programs, `message` for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A file's measured properties. Sizes in px, duration in s; thumbnails are WebP of 512 and 256 px.

    `placeholder` is what stands there until a thumbnail is loaded: the colours of the upper and the lower
    half, each as six hexadecimal digits. `has_audio`: whether a video has sound; None of an image.
    """

    content_type: str
    width: int
    height: int
    thumbnail: bytes
    small_thumbnail: bytes = b""
    placeholder: str = ""
    duration: float | None = None
    frames: int | None = None
    has_audio: bool | None = None

    @property
    def extension(self) -> str:
        return EXTENSIONS[self.content_type]


def check_pixels(width: int, height: int, limit: int) -> None:
    """Raises BrokenMedia for a picture without pixels, or with more than `limit`."""
    if width < 1 or height < 1:
        raise BrokenMedia("broken_media", "The file does not say how large its picture is.")
    if width * height > limit:
        message = f"The picture has {width:,} × {height:,} px; at most {limit:,} px in all are taken."
        raise BrokenMedia("too_large", message)


def cut_off(what: str, length: int, expected: str) -> BrokenMedia:
    """The error of a file that ends at byte `length` though its own structure goes on."""
    return BrokenMedia("broken_media", f"The {what} is cut off at byte {length:,}: {expected}.")
