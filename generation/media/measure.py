"""Measures untrusted media by a full decode in another process; a file's declared name and type are ignored.

Accepted by content: PNG, JPEG, WebP for images; MP4, WebM for videos.
"""

from __future__ import annotations

import contextlib
import errno
import io
import math
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from django.conf import settings

from generation.core.errors import DecoderUnavailable
from generation.media.decoders import pool
from generation.media.formats import (
    CONTENT_TYPES,
    MAX_FRAMES,
    MAX_PIXELS,
    REFUSALS,
    BrokenMedia,
    Measured,
)

# How long a file waits for its turn, in s, holding a thread.
WAIT_SECONDS = 10.0
MAX_MESSAGE = 300
PLACEHOLDER = re.compile(r"[0-9a-f]{12}")


def measure(
    content: BinaryIO,
    *,
    media: str,
    caller: str = "system",
    max_side: int | None = None,
    wait: float = WAIT_SECONDS,
) -> Measured:
    """Decode the whole file and measure it; an image may have at most `max_side` px a side, if given.

    Callers take turns, by their names.

    Raises:
        BrokenMedia: another format than `media` allows, broken, truncated or too large.
        TooManyDecodes: others' files are being decoded; nothing is known about this one.
        DecoderUnavailable: nothing can be decoded now.
    """
    request = {"media": media, "max_side": max_side, "max_bytes": None}
    with readable(content) as file:
        return _measured(*pool().ask(request, [file], caller=caller, wait=wait), media=media)


@contextmanager
def canonical_image(
    content: BinaryIO,
    *,
    max_bytes: int,
    caller: str = "system",
    max_side: int | None = None,
    wait: float = WAIT_SECONDS,
) -> Iterator[tuple[Measured, BinaryIO]]:
    """The one picture that everybody is to see, measured, and its file, which goes at the end.

    The first picture in the file, upright, in 8-bit sRGB, laid on white; PNG or JPEG without any metadata.

    Raises: as `measure`, and OSError for a full disk.
    """
    request = {"media": "image", "max_side": max_side, "max_bytes": max_bytes}
    with readable(content) as file, temporary_file() as out:
        answer = pool().ask(request, [file, out.fileno()], caller=caller, wait=wait)
        measured = _measured(*answer, media="image")
        if not 0 < out.seek(0, os.SEEK_END) <= max_bytes:
            raise DecoderUnavailable
        yield measured, out


@contextmanager
def readable(content: BinaryIO) -> Iterator[int]:
    """A descriptor of the content that can only be read, with a position of its own."""
    with contextlib.ExitStack() as stack:
        try:
            content.flush()
            source = content.fileno()
        except (io.UnsupportedOperation, AttributeError):  # in memory, or kept elsewhere
            copy = stack.enter_context(temporary_file())
            content.seek(0)
            shutil.copyfileobj(content, copy)
            copy.flush()
            source = copy.fileno()
        file = os.open(f"/dev/fd/{source}", os.O_RDONLY)
        stack.callback(os.close, file)
        yield file


def temporary_file() -> BinaryIO:
    """Where bodies on their way lie, which has room for it."""
    settings.BODY_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    return cast("BinaryIO", tempfile.TemporaryFile(dir=settings.BODY_DIR))


def _measured(answer: dict[str, Any], thumbnails: bytes, *, media: str) -> Measured:
    """The answer, if it is one that a sound decoder could give.

    Raises:
        BrokenMedia: it refuses the file.
        DecoderUnavailable: it is nonsense.
        OSError: there was no room for the picture, whatever is in the file.
    """
    small_bytes = answer.get("small_bytes", 0)
    if type(small_bytes) is not int or not 0 <= small_bytes <= len(thumbnails):
        raise DecoderUnavailable
    thumbnail, small = (
        thumbnails[: len(thumbnails) - small_bytes],
        thumbnails[len(thumbnails) - small_bytes :],
    )
    match answer:
        case {"code": "disk_full"}:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        case {"code": str(code), "message": str(message)} if code in REFUSALS:
            raise BrokenMedia(code, "".join(filter(str.isprintable, message))[:MAX_MESSAGE])
        case {"measured": {"width": int(width), "height": int(height)} as all_} if (
            all_.get("content_type") in CONTENT_TYPES[media]
            and width > 0 < height
            and width * height <= MAX_PIXELS
            and _is_webp(thumbnail)
            and _is_webp(small)
            and PLACEHOLDER.fullmatch(str(all_.get("placeholder")))
            and _is_count(all_.get("frames"))
            and _is_duration(all_.get("duration"))
            and isinstance(all_.get("has_audio"), bool | None)
        ):
            return Measured(
                content_type=all_["content_type"],
                width=width,
                height=height,
                thumbnail=thumbnail,
                small_thumbnail=small,
                placeholder=all_["placeholder"],
                duration=all_.get("duration"),
                frames=all_.get("frames"),
                has_audio=all_.get("has_audio"),
            )
    raise DecoderUnavailable


def _is_webp(content: bytes) -> bool:
    return (content[:4], content[8:12]) == (b"RIFF", b"WEBP")


def _is_count(frames: object) -> bool:
    return frames is None or (type(frames) is int and 0 < frames <= MAX_FRAMES)


def _is_duration(duration: object) -> bool:
    if duration is None:
        return True
    return type(duration) is float and math.isfinite(duration) and duration >= 0
