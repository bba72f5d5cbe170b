"""A video that ComfyUI saved, as the worker delivers it: its pictures and sound, and nothing else."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ourvidz_worker.engines.comfy import faults
from ourvidz_worker.engines.comfy.stills import kind_of

if TYPE_CHECKING:  # importing PyAV would delay the command line
    from av.container import InputContainer

PIXEL_FORMATS = ("yuv420p", "yuvj420p")
SOUND_CODECS = ("aac", "mp3", "mp3float", "opus", "flac")
ADVICE = "Let the output node save MP4 with H.264, pixel format yuv420p."


def film(content: bytes, comment: str) -> tuple[bytes, int, int, float]:
    """An MP4 of the same encoded pictures and sound, with `comment` as its only text; its width and height in
    px and its length in seconds. Raises ComfyFault.
    """
    import av

    if content[4:8] != b"ftyp":
        raise faults.wrong_kind(
            "The workflow of this model made no MP4 video.", f"{kind_of(content)}. {ADVICE}"
        )
    try:
        with av.open(io.BytesIO(content), "r", format="mp4") as source:
            _check(source)
            return _copied(source, comment)
    except (av.FFmpegError, ValueError, IndexError) as error:
        message = "The workflow of this model made a video that cannot be read."
        raise faults.wrong_kind(message, f"{type(error).__name__}: {error}. {ADVICE}") from error


def _check(source: InputContainer) -> None:
    films, sounds = source.streams.video, source.streams.audio
    if len(films) != 1:
        raise faults.wrong_kind(f"The video has {len(films)} tracks of pictures.", ADVICE)
    codec = films[0].codec_context
    if codec.name != "h264" or codec.pix_fmt not in PIXEL_FORMATS:
        message = f"The video is {codec.name}, {codec.pix_fmt}, which browsers do not play alike."
        raise faults.wrong_kind(message, ADVICE)
    if strange := [each.codec_context.name for each in sounds if each.codec_context.name not in SOUND_CODECS]:
        raise faults.wrong_kind(f"The video has sound in {strange[0]}.", "Let it be AAC.")


def _copied(source: InputContainer, comment: str) -> tuple[bytes, int, int, float]:
    """Written to disk: moving the index to the front reads it again."""
    import av

    film_stream = source.streams.video[0]
    wanted = [film_stream, *source.streams.audio]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        with av.open(str(path), "w", options={"movflags": "faststart"}) as target:
            target.metadata["comment"] = comment
            copies: dict[int, Any] = {each.index: target.add_stream_from_template(each) for each in wanted}
            for copy in copies.values():
                copy.metadata.clear()
            for packet in source.demux(*wanted):
                if packet.dts is None:  # the mark of a stream's end
                    continue
                packet.stream = copies[packet.stream.index]
                target.mux(packet)
        media = path.read_bytes()
    return media, film_stream.width, film_stream.height, _seconds(source)


def _seconds(source: InputContainer) -> float:
    stream = source.streams.video[0]
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return (source.duration or 0) / 1_000_000
