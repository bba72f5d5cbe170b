"""Every kind of video that PyAV writes: what a browser shows of it, or why it is refused."""

from __future__ import annotations

import io
import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, partial
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.bitstream import BitStreamFilterContext
from av.video.reformatter import Colorspace
from PIL import Image as Picture

from tests.generation.mp4_boxes import with_edits, with_matrix, with_pixels_of

WIDTH, HEIGHT = 96, 64
RATE, FRAMES = 16, 16
# Left top, right top, left bottom, right bottom; none at the end of what a film can hold.
QUARTERS = ((200, 60, 60), (60, 180, 80), (60, 80, 200), (220, 200, 60))
PIXELS_OF = {  # every format that each encoder writes, and that some file is made with
    codec: [each.name for each in av.codec.Codec(codec, "w").video_formats or ()]
    for codec in ("libx264", "libx265", "libvpx-vp9", "libsvtav1")
}
# Formats that an encoder names and then does not write.
NOT_WRITTEN = {
    *(("libx265", each) for each in ("yuva420p", "yuva420p10le")),
    *(("libvpx-vp9", each) for each in ("yuva422p", "yuva444p", "gbrap")),
}
PLAYED = {"yuv420p", "yuvj420p", "nv12", "nv21"}  # 8 bits, 4:2:0, however the encoder is given them
GREY = {"gray"}  # which FFmpeg decodes with grey colours


def scene(width: int = WIDTH, height: int = HEIGHT) -> Picture.Image:
    """Another colour in each quarter, so that every turn and mirror shows."""
    picture = Picture.new("RGB", (width, height))
    for number, colour in enumerate(QUARTERS):
        x, y = number % 2 * width // 2, number // 2 * height // 2
        picture.paste(colour, (x, y, width, height))
    return picture


@cache
def video(
    container: str = "mp4",
    codec: str = "libx264",
    pixels: str = "yuv420p",
    *,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    times: tuple[int, ...] = tuple(range(FRAMES)),
    rotation: int | None = None,
    aspect: Fraction | None = None,
    sound: str = "",
    sound_seconds: float = 1.0,
    options: tuple[tuple[str, str], ...] = (),
    flags: str = "",
    tags: tuple[tuple[str, int], ...] = (),
    tracks: int = 1,
    matrix: Colorspace = Colorspace.ITU601,
) -> bytes:
    """Frames at these times, in 16ths of a second; all but the first are black.

    `matrix` is what the colours are made with; what the file says of them is in `tags`.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video"
        with av.open(str(path), "w", format=container, options={"movflags": flags} if flags else {}) as out:
            streams = [_track(out, codec, pixels, size, dict(options)) for _ in range(tracks)]
            for stream in streams:
                if rotation is not None:
                    stream.set_display_rotation(rotation)
                if aspect:
                    stream.codec_context.sample_aspect_ratio = aspect
                for name, value in tags:
                    setattr(stream.codec_context, name, value)
            audio = out.add_stream(sound, rate=48_000) if sound else None
            for stream in streams:
                for number, time in enumerate(times):
                    out.mux(stream.encode(_frame(number, time, size, matrix, is_grey=pixels in GREY)))
                out.mux(stream.encode(None))
            if audio:
                _write_sound(out, audio, sound_seconds)
        return path.read_bytes()


def _track(out: Any, codec: str, pixels: str, size: tuple[int, int], options: dict[str, str]) -> Any:
    stream = out.add_stream(codec, rate=RATE, options=options)
    stream.width, stream.height = size
    stream.pix_fmt = pixels
    stream.time_base = stream.codec_context.time_base = Fraction(1, RATE)
    return stream


def _frame(
    number: int, time: int, size: tuple[int, int], matrix: Colorspace, *, is_grey: bool
) -> av.VideoFrame:
    picture = Picture.new("RGB", size, (number, number, number)) if number else scene(*size)
    frame = av.VideoFrame.from_image(picture)
    converted = frame.reformat(
        format="gray" if is_grey else "yuv420p", dst_colorspace=matrix, dst_color_range=1
    )
    converted.pts, converted.time_base = time, Fraction(1, RATE)
    return converted


def _write_sound(out: Any, stream: Any, seconds: float) -> None:
    size = stream.codec_context.frame_size or 1024
    kind = stream.codec_context.format.name
    for at in range(0, int(48_000 * seconds), size):
        frame = av.AudioFrame.from_ndarray(np.zeros((2, size), np.float32), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, at, Fraction(1, 48_000)
        for each in av.AudioResampler(format=kind, layout="stereo", rate=48_000).resample(frame):
            out.mux(stream.encode(each))
    out.mux(stream.encode(None))


@cache
def turned_by_its_stream() -> bytes:
    """H.264 can say that its pictures are turned (an SEI message), which no browser reads."""
    out = io.BytesIO()
    with av.open(io.BytesIO(video()), "r") as source, av.open(out, "w", format="mp4") as target:
        old = source.streams.video[0]
        new = target.add_stream_from_template(old)
        turning = BitStreamFilterContext("h264_metadata=display_orientation=insert:rotate=90", old, new)
        for packet in source.demux(old):
            for each in turning.filter(packet if packet.size else None):
                each.stream = new
                target.mux(each)
    return out.getvalue()


@cache
def two_sizes() -> bytes:
    """Half of it is as wide as the other half is high."""
    out = io.BytesIO()
    with av.open(out, "w", format="webm") as target:
        new, at = None, 0
        for size in ((WIDTH, HEIGHT), (HEIGHT, WIDTH)):
            with av.open(io.BytesIO(video("webm", "libvpx", size=size)), "r") as source:
                old = source.streams.video[0]
                new = new or target.add_stream_from_template(old)
                for packet in source.demux(old):
                    if packet.size:
                        packet.pts, packet.dts, packet.stream = packet.pts + at, packet.dts + at, new
                        target.mux(packet)
            at += 1000
    return out.getvalue()


def webm_that_says(seconds: float) -> bytes:
    content = video("webm", "libvpx")
    at = content.index(b"\x44\x89\x88") + 3  # Duration, in milliseconds
    return content[:at] + struct.pack(">d", 1000 * seconds) + content[at + 8 :]


@dataclass(frozen=True, slots=True)
class Shown:
    """What a browser shows; `turn` counts quarter turns to the right."""

    made: Callable[[], bytes]
    size: tuple[int, int] = (WIDTH, HEIGHT)
    turn: int = 0
    duration: float = 1.0
    frames: int = FRAMES
    mode: str = "RGB"
    has_audio: bool = False

    @property
    def picture(self) -> Picture.Image:
        """The first frame."""
        return scene().convert(self.mode).rotate(-90 * self.turn, expand=True).resize(self.size)


@dataclass(frozen=True, slots=True)
class Refused:
    """Words of the sentence."""

    made: Callable[[], bytes]
    code: str
    words: str


def _of_pixels() -> dict[str, Shown | Refused]:
    """Each format of each encoder: shown where it comes to 8 bits with 4:2:0."""
    found: dict[str, Shown | Refused] = {}
    for codec, formats in PIXELS_OF.items():
        for pixels in formats:
            if (codec, pixels) in NOT_WRITTEN:
                continue
            made = partial(video, "webm" if codec == "libvpx-vp9" else "mp4", codec, pixels)
            name = f"{codec} {pixels}"
            if codec == "libx265":
                found[name] = Refused(made, "wrong_format", "HEVC (H.265)")
            elif pixels in PLAYED | GREY:
                found[name] = Shown(made, mode="L" if pixels in GREY else "RGB")
            elif pixels == "yuva420p":
                found[name] = Refused(made, "wrong_format", "transparent")
            else:
                found[name] = Refused(made, "wrong_format", "8 bits with 4:2:0 are taken")
    return found


SLOW = (*range(8), *range(8, 40, 4))  # eight frames of a 16th, then of a quarter of a second
PLAYABLE: dict[str, Shown] = {
    "H.264": Shown(video),
    "H.264 without B-frames": Shown(partial(video, options=(("bf", "0"),))),
    "H.264, index first": Shown(partial(video, flags="faststart")),
    "H.264 in fragments": Shown(partial(video, flags="frag_keyframe+empty_moov"), duration=1.0625),
    "H.264 of the least profile": Shown(partial(video, options=(("profile", "baseline"),))),
    "H.264, interlaced": Shown(partial(video, options=(("x264-params", "interlaced=1"),))),
    "VP9 in MP4": Shown(partial(video, codec="libvpx-vp9")),
    "AV1 in MP4": Shown(partial(video, codec="libsvtav1")),
    "VP8": Shown(partial(video, "webm", "libvpx")),
    "VP9": Shown(partial(video, "webm", "libvpx-vp9")),
    "AV1": Shown(partial(video, "webm", "libsvtav1")),
    "an odd size": Shown(partial(video, "webm", "libvpx-vp9", size=(95, 63)), size=(95, 63)),
    "frames of changing length": Shown(partial(video, times=SLOW), duration=2.25),
    "frames of changing length in WebM": Shown(partial(video, "webm", "libvpx", times=SLOW), duration=2.313),
    "turned by 90°": Shown(partial(video, rotation=90), size=(HEIGHT, WIDTH), turn=3),
    "turned by 180°": Shown(partial(video, rotation=180), turn=2),
    "turned by 270°": Shown(partial(video, rotation=270), size=(HEIGHT, WIDTH), turn=1),
    "wide pixels": Shown(partial(video, aspect=Fraction(2)), size=(2 * WIDTH, HEIGHT)),
    "high pixels": Shown(partial(video, aspect=Fraction(1, 2)), size=(WIDTH, 2 * HEIGHT)),
    "wide pixels by the container": Shown(
        lambda: with_pixels_of(video(codec="libvpx-vp9"), 4, 3), size=(WIDTH * 4 // 3, HEIGHT)
    ),
    "wide pixels by the stream, square by the container": Shown(
        lambda: with_pixels_of(video(aspect=Fraction(2)), 1, 1)
    ),
    "wide pixels, turned": Shown(
        partial(video, aspect=Fraction(2), rotation=90), size=(HEIGHT, 2 * WIDTH), turn=3
    ),
    "turned by its stream alone": Shown(turned_by_its_stream),
    "BT.709": Shown(
        partial(
            video,
            tags=(("colorspace", 1), ("color_primaries", 1), ("color_trc", 1)),
            matrix=Colorspace.ITU709,
        )
    ),
    "HD without a word about its colours": Shown(
        partial(video, size=(1280, 720), matrix=Colorspace.ITU709), size=(1280, 720)
    ),
    "an odd size in MP4": Shown(partial(video, codec="libvpx-vp9", size=(95, 63)), size=(95, 63)),
    "an odd size in AV1": Shown(partial(video, codec="libsvtav1", size=(95, 63)), size=(95, 63)),
    "with AAC": Shown(partial(video, sound="aac"), has_audio=True),
    "with MP3": Shown(partial(video, sound="libmp3lame"), has_audio=True),
    "with Opus": Shown(partial(video, "webm", "libvpx", sound="libopus"), has_audio=True),
    "with Opus in MP4": Shown(partial(video, sound="libopus"), has_audio=True),
    "with FLAC": Shown(partial(video, sound="flac"), has_audio=True),
    "with a longer sound": Shown(
        partial(video, sound="aac", sound_seconds=2.0), duration=2.0, has_audio=True
    ),
    "with a sound track that is empty": Shown(partial(video, sound="aac", sound_seconds=0)),
    "with an edit list that starts later": Shown(lambda: with_edits(video(), (1000, 2048, 1))),
}
REFUSED: dict[str, Refused] = {
    "HEVC": Refused(partial(video, codec="libx265"), "wrong_format", "HEVC (H.265)"),
    "lossless H.264": Refused(
        partial(video, options=(("qp", "0"),)), "wrong_format", "the profile High 4:4:4 Predictive"
    ),
    "MPEG-4 part 2": Refused(partial(video, codec="mpeg4"), "wrong_format", "MPEG-4 part 2"),
    "ProRes": Refused(partial(video, "mov", "prores_ks", "yuv422p10le"), "wrong_format", "a QuickTime video"),
    "Motion JPEG in MP4": Refused(
        partial(video, codec="mjpeg", pixels="yuvj420p"), "wrong_format", "Motion JPEG"
    ),
    "an unknown codec": Refused(
        lambda: video().replace(b"avc1\0\0\0", b"zzzz\0\0\0"), "wrong_format", "nothing that FFmpeg knows"
    ),
    "MPEG-2": Refused(partial(video, codec="mpeg2video"), "wrong_format", "MPEG-2"),
    "QuickTime": Refused(partial(video, "mov"), "wrong_format", "a QuickTime video"),
    "Matroska": Refused(partial(video, "matroska"), "wrong_format", "a Matroska video"),
    "AVI": Refused(partial(video, "avi", "mpeg4"), "wrong_format", "an AVI video"),
    "MPEG-TS": Refused(partial(video, "mpegts"), "wrong_format", "an MPEG transport stream"),
    "GIF": Refused(partial(video, "gif", "gif", "rgb8"), "wrong_format", "a GIF image"),
    "with AC-3": Refused(partial(video, sound="ac3"), "wrong_format", "AC-3"),
    "two picture tracks": Refused(partial(video, tracks=2), "wrong_format", "2 picture tracks"),
    "PQ": Refused(partial(video, tags=(("color_trc", 16),)), "wrong_format", "high dynamic range"),
    "very wide pixels": Refused(partial(video, aspect=Fraction(20)), "wrong_format", "20 times as wide"),
    "mirrored": Refused(lambda: with_matrix(video(), -1, 0, 0, 1), "wrong_format", "mirrors"),
    "a WebM that is turned": Refused(
        partial(video, "webm", "libvpx", rotation=90), "wrong_format", "not turned everywhere"
    ),
    "turned by 45°": Refused(
        lambda: with_matrix(video(), 0.7071, 0.7071, -0.7071, 0.7071), "wrong_format", "slants"
    ),
    "an edit list that hides the start": Refused(
        lambda: with_edits(video(options=(("bf", "0"),)), (500, 8192, 1)), "wrong_format", "hides 8 of"
    ),
    "an edit list that hides the end": Refused(
        lambda: with_edits(video(options=(("bf", "0"),)), (500, 0, 1)), "wrong_format", "hides 8 of"
    ),
    "an edit list of two stretches": Refused(
        lambda: with_edits(video(), (500, 0, 1), (500, 0, 1)), "wrong_format", "2 stretches"
    ),
    "an edit list at double speed": Refused(
        lambda: with_edits(video(), (500, 0, 2)), "wrong_format", "2 times as fast"
    ),
    "a WebM that says an hour": Refused(lambda: webm_that_says(3600), "broken_media", "3,600.0 s"),
    "a first picture after 2 s": Refused(
        lambda: with_edits(video(options=(("bf", "0"),)), (2000, -1, 1), (1000, 0, 1)),
        "wrong_format",
        "2.0 s after the start",
    ),
    "pictures of two sizes": Refused(two_sizes, "wrong_format", "from 96 × 64 px to 64 × 96 px"),
}
KINDS: dict[str, Shown | Refused] = {**PLAYABLE, **REFUSED, **_of_pixels()}
