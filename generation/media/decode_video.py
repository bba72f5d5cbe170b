"""Decoding videos, in the decoding process only."""

from __future__ import annotations

import errno
import gc
import importlib
import pkgutil
from dataclasses import dataclass
from typing import Any, BinaryIO

import av

from generation.media import pixels
from generation.media.container_formats import check_whole_video, container_of
from generation.media.formats import (
    MAX_FRAMES,
    MAX_VIDEO_PIXELS,
    VIDEO_TYPES,
    BrokenMedia,
    Measured,
    check_pixels,
)
from generation.media.mp4_tables import check_tables, display_matrices
from generation.media.playable import as_shown, find_pictures

DEMUXERS = {"mp4": "mp4", "webm": "matroska"}
# How far the length that a file says may be from where its tracks end, in s; and two frames.
LENGTH_TOLERANCE = 0.5
RATE = 25  # of a stream that does not say its own
OF_THE_PROCESS = (errno.EAGAIN, errno.EMFILE, errno.ENFILE)
# PyAV loads modules when a stream needs them, and by then the process may open no files.
for _module in pkgutil.walk_packages(av.__path__, "av."):
    if _module.name not in ("av.__main__", "av.datasets"):
        importlib.import_module(_module.name)


@dataclass(slots=True)
class Seen:
    """What was seen of the video so far: of its pictures, and in s of all its tracks."""

    frames: int = 0
    packets: int = 0
    size: tuple[int, int] | None = None
    first: float | None = None  # when the first picture is shown
    last: float = 0.0  # when the last picture, or piece of sound, begins
    end: float = 0.0
    has_audio: bool = False

    def add(self, part: av.Packet[av.stream.Stream] | av.VideoFrame) -> None:
        if part.pts is not None and part.time_base is not None:
            self.last = max(self.last, float(part.pts * part.time_base))
            self.end = max(self.end, float((part.pts + (part.duration or 0)) * part.time_base))


def measure_video(content: BinaryIO) -> Measured:
    """Decode the whole video and measure it as browsers show it. Raises BrokenMedia."""
    name = container_of(content)
    check_whole_video(content, name)
    matrices = {}
    if name == "mp4":
        check_tables(content)
        matrices = display_matrices(content)
    content.seek(0)
    try:
        # The format is named, so that no other of FFmpeg's many demuxers ever sees the bytes.
        with av.open(content, mode="r", format=DEMUXERS[name], metadata_errors="ignore") as container:
            return _decode(container, name, matrices)
    except (BrokenMedia, MemoryError):
        raise
    except Exception as error:  # hostile bytes make decoders raise anything
        _raise_if_of_the_process(error)
        message = f"The video ends where it should, but cannot be opened: FFmpeg says “{_reason(error)}”."
        raise BrokenMedia("broken_media", message) from error
    finally:
        gc.collect()  # containers, and frames with them, refer to themselves


def _decode(
    container: av.container.InputContainer, name: str, matrices: dict[int, tuple[float, ...]]
) -> Measured:
    stream = find_pictures(container, name)
    check_pixels(stream.width, stream.height, MAX_VIDEO_PIXELS)
    stream.codec_context.thread_count = 1  # each thread keeps frames of its own
    seen, poster = Seen(), None
    for packet in container.demux(stream, *container.streams.audio):
        if packet.stream.index != stream.index:
            seen.has_audio |= bool(packet.size)
            seen.add(packet)
            continue
        for frame in _decoded(packet, seen):
            poster = poster or as_shown(frame, stream, matrices.get(stream.id)).draw(frame)
            _count(frame, seen)
    if poster is None:
        raise BrokenMedia("broken_media", "The video has no picture that can be decoded.")
    _check_number(seen, stream)
    return Measured(
        content_type=VIDEO_TYPES[name][0],
        width=poster.width,
        height=poster.height,
        **pixels.thumbnails(poster),
        duration=_duration(container, seen, stream),
        frames=seen.frames,
        has_audio=seen.has_audio,
    )


def _decoded(packet: av.Packet[Any], seen: Seen) -> list[av.VideoFrame]:
    seen.packets += bool(packet.size)
    try:
        return list(packet.decode())
    except MemoryError:
        raise
    except Exception as error:
        _raise_if_of_the_process(error)
        place = f" at byte {packet.pos:,}" if packet.pos is not None and packet.pos >= 0 else ""
        message = (
            f"Picture {seen.packets:,} of the video{place} cannot be decoded: FFmpeg says “{_reason(error)}”."
        )
        raise BrokenMedia("broken_media", message) from error


def _count(frame: av.VideoFrame, seen: Seen) -> None:
    seen.frames += 1
    if seen.frames > MAX_FRAMES:
        raise BrokenMedia("too_large", f"A video has at most {MAX_FRAMES:,} frames.")
    size = (frame.width, frame.height)
    seen.size = seen.size or size
    if seen.size != size:
        message = f"The pictures change their size from {_as_text(seen.size)} to {_as_text(size)}"
        raise BrokenMedia("wrong_format", f"{message} at number {seen.frames:,}.")
    seen.add(frame)
    if seen.first is None and frame.time is not None:
        seen.first = frame.time


def _as_text(size: tuple[int, int]) -> str:
    return f"{size[0]:,} × {size[1]:,} px"


def _check_number(seen: Seen, stream: av.VideoStream) -> None:
    """All that the file's index lists are shown. Some browsers show what an edit list leaves out."""
    if seen.frames >= stream.frames:
        return
    indexed = sum(not entry.is_discard for entry in stream.index_entries)
    if seen.frames >= indexed:
        hidden = stream.frames - seen.frames
        message = f"An edit list hides {hidden:,} of the video's {stream.frames:,} pictures"
        raise BrokenMedia("wrong_format", f"{message}; some browsers show them.")
    message = f"Of the {stream.frames:,} pictures that the video lists, {seen.frames:,} can be decoded."
    raise BrokenMedia("broken_media", message)


def _duration(container: av.container.InputContainer, seen: Seen, stream: av.VideoStream) -> float | None:
    """What browsers show: what the file says, or when its last picture begins, if that is later."""
    tolerance = LENGTH_TOLERANCE + 2 / float(stream.average_rate or RATE)
    if seen.first is not None and seen.first > tolerance:
        message = (
            f"The first picture comes {seen.first:,.1f} s after the start, which browsers do differently."
        )
        raise BrokenMedia("wrong_format", message)
    if not container.duration:
        return round(seen.end, 3) or None  # a live recording does not say
    said = container.duration / av.time_base
    if abs(said - seen.end) > tolerance:
        message = f"The file says that it lasts {said:,.1f} s, and its tracks end after {seen.end:,.1f} s."
        raise BrokenMedia("broken_media", message)
    return round(max(said, seen.last), 3)


def _raise_if_of_the_process(error: Exception) -> None:
    """Without threads or descriptors the process ends, and another is given the file, which is innocent."""
    if isinstance(error, OSError) and error.errno in OF_THE_PROCESS:
        raise error


def _reason(error: Exception) -> str:
    """The decoder's words, without its number."""
    said = getattr(error, "strerror", None) or str(error)
    return said[:120].rstrip(".") or type(error).__name__
