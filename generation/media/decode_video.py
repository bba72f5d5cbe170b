"""Decoding videos, in the decoding process only."""

from __future__ import annotations

import importlib
import pkgutil
from typing import BinaryIO

import av

from generation.media import pixels
from generation.media.container_formats import check_whole_video, container_of
from generation.media.formats import (
    MAX_FRAMES,
    MAX_VIDEO_PIXELS,
    THUMBNAIL_EDGE,
    VIDEO_TYPES,
    BrokenMedia,
    Measured,
    check_pixels,
)
from generation.media.mp4_tables import check_tables

DEMUXERS = {"mp4": "mp4", "webm": "matroska"}
VIDEO_CODECS = {"h264", "vp8", "vp9", "av1"}  # what browsers play everywhere
# PyAV loads modules when a stream needs them, and by then the process may open no files.
for _module in pkgutil.walk_packages(av.__path__, "av."):
    if _module.name not in ("av.__main__", "av.datasets"):
        importlib.import_module(_module.name)


def measure_video(content: BinaryIO) -> Measured:
    """Decode the whole video and measure it. Raises BrokenMedia."""
    name = container_of(content)
    if not name:
        raise BrokenMedia("wrong_format", "This is not an MP4 or WebM video.")
    check_whole_video(content, name)
    if name == "mp4":
        check_tables(content)
    content.seek(0)
    try:
        # The format is named, so that no other of FFmpeg's many demuxers ever sees the bytes.
        with av.open(content, mode="r", format=DEMUXERS[name], metadata_errors="ignore") as container:
            if not container.streams.video:
                raise BrokenMedia("wrong_format", "The file has no picture track.")
            return _decode(container, VIDEO_TYPES[name][0])
    except (BrokenMedia, MemoryError):
        raise
    except Exception as error:  # hostile bytes make decoders raise anything
        reason = str(error)[:120] or type(error).__name__
        raise BrokenMedia("broken_media", f"The video is damaged inside: {reason}.") from error


def _decode(container: av.container.InputContainer, content_type: str) -> Measured:
    stream = container.streams.video[0]
    if stream.codec.canonical_name not in VIDEO_CODECS:
        raise BrokenMedia("wrong_format", "Browsers cannot play this video's coding; H.264, VP9 and AV1 do.")
    check_pixels(stream.width, stream.height, MAX_VIDEO_PIXELS)
    stream.codec_context.thread_count = 1  # each thread keeps frames of its own
    frames, poster = 0, None
    for frame in container.decode(stream):
        check_pixels(frame.width, frame.height, MAX_VIDEO_PIXELS)
        poster = poster or frame.to_image()
        frames += 1
        if frames > MAX_FRAMES:
            raise BrokenMedia("too_large", f"A video has at most {MAX_FRAMES:,} frames.")
    if poster is None or frames < stream.frames:
        message = f"The video is truncated: {frames:,} of {stream.frames:,} frames are there."
        raise BrokenMedia("broken_media", message)
    rate = float(stream.average_rate or 0)
    return Measured(
        content_type=content_type,
        width=poster.width,
        height=poster.height,
        thumbnail=pixels.thumbnail(poster, edge=THUMBNAIL_EDGE),
        duration=round(frames / rate, 3) if rate else None,
        frames=frames,
    )
