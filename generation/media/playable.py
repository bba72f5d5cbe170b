"""What every browser plays, and how it shows it; all else is refused, in words that say what it is.

Runs in the decoding process only.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import av
from av.sidedata.sidedata import Type
from av.stream import Disposition
from av.video.reformatter import ColorPrimaries, Colorspace, ColorTrc
from PIL import Image

from generation.media.formats import MAX_VIDEO_PIXELS, BrokenMedia, check_pixels

PICTURE_CODECS = {"mp4": ("h264", "vp9", "av1"), "webm": ("vp8", "vp9", "av1")}
SOUND_CODECS = {"mp4": ("aac", "mp3", "opus", "flac"), "webm": ("opus", "vorbis")}
H264_PROFILES = ("Baseline", "Constrained Baseline", "Main", "High")
PIXEL_FORMATS = ("yuv420p", "yuvj420p")  # 8 bits, 4:2:0
NAMES = {
    "h264": "H.264",
    "hevc": "HEVC (H.265)",
    "vvc": "VVC (H.266)",
    "vp8": "VP8",
    "vp9": "VP9",
    "av1": "AV1",
    "mpeg4": "MPEG-4 part 2",
    "mpeg2video": "MPEG-2",
    "mpeg1video": "MPEG-1",
    "prores": "ProRes",
    "dnxhd": "DNxHD",
    "mjpeg": "Motion JPEG",
    "ffv1": "FFV1",
    "aac": "AAC",
    "mp3": "MP3",
    "opus": "Opus",
    "flac": "FLAC",
    "vorbis": "Vorbis",
    "ac3": "AC-3",
    "eac3": "E-AC-3",
    "alac": "ALAC",
}
HIGH_DYNAMIC_RANGE = (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67)
UNSPECIFIED = 2  # of a colour matrix (ITU-T H.273)
HD_HEIGHT = 720  # px; from here on browsers take an unspecified matrix for BT.709
MAX_STRETCH = 8
UPRIGHT = (1.0, 0.0, 0.0, 1.0)
# The display matrices that only turn (a, b, c, d), and what turns the picture so.
TURNS: dict[tuple[float, ...], Image.Transpose | None] = {
    UPRIGHT: None,
    (0, 1, -1, 0): Image.Transpose.ROTATE_270,
    (-1, 0, 0, -1): Image.Transpose.ROTATE_180,
    (0, -1, 1, 0): Image.Transpose.ROTATE_90,
}


def find_pictures(container: av.container.InputContainer, name: str) -> av.VideoStream:
    """The one track of pictures. Raises BrokenMedia for tracks that some browser does not play."""
    tracks = [each for each in container.streams.video if not each.disposition & Disposition.attached_pic]
    if not tracks:
        raise BrokenMedia("wrong_format", "The file has no picture track.")
    if len(tracks) > 1:
        message = f"The file has {len(tracks)} picture tracks, where one is taken."
        raise BrokenMedia("wrong_format", message)
    pictures = tracks[0]
    _check_codec("pictures", pictures, PICTURE_CODECS[name], name)
    for sound in container.streams.audio:
        _check_codec("sound", sound, SOUND_CODECS[name], name)
    if pictures.metadata.get("alpha_mode") == "1":
        raise BrokenMedia("wrong_format", "The video is transparent, which not every browser shows.")
    return pictures


def _check_codec(what: str, stream: av.stream.Stream, taken: tuple[str, ...], container: str) -> None:
    context: av.CodecContext | None = stream.codec_context  # none for what FFmpeg does not know
    codec = "" if context is None else context.codec.canonical_name
    if codec in taken:
        return
    found = NAMES.get(codec, codec) or "nothing that FFmpeg knows"
    names = [NAMES[each] for each in taken]
    kind = {"mp4": "an MP4", "webm": "a WebM"}[container]
    verb = "are" if what == "pictures" else "is"
    listed = f"{', '.join(names[:-1])} or {names[-1]}"
    message = f"The {what} {verb} coded as {found}; browsers play {listed} in {kind}."
    raise BrokenMedia("wrong_format", message)


@dataclass(frozen=True, slots=True)
class Shown:
    """How a browser shows a frame: stretched to `width` × `height` px, then turned."""

    width: int
    height: int
    turn: Image.Transpose | None

    @property
    def size(self) -> tuple[int, int]:
        """In px, as it is seen."""
        if self.turn in (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270):
            return self.height, self.width
        return self.width, self.height

    def draw(self, frame: av.VideoFrame) -> Image.Image:
        matrix = Colorspace.ITU709 if _is_taken_for_bt709(frame) else None
        # As many threads as processors would each take memory for a stack.
        picture: Image.Image = frame.to_image(src_colorspace=matrix, threads=1)
        if picture.size != (self.width, self.height):
            picture = picture.resize((self.width, self.height))
        return picture if self.turn is None else picture.transpose(self.turn)


def _is_taken_for_bt709(frame: av.VideoFrame) -> bool:
    return frame.colorspace == UNSPECIFIED and frame.height >= HD_HEIGHT


def as_shown(frame: av.VideoFrame, stream: av.VideoStream, matrix: tuple[float, ...] | None) -> Shown:
    """`matrix` is the container's: browsers do not read that of an H.264 stream.

    Raises BrokenMedia for pixels and geometry that some browser shows otherwise.
    """
    _check_pixel_format(frame)
    if stream.codec_context.codec.canonical_name == "h264" and stream.profile not in H264_PROFILES:
        message = f"It is H.264 of the profile {stream.profile}, which not every browser plays"
        raise BrokenMedia("wrong_format", f"{message}; use Main or High, not lossless.")
    width, height = frame.width, frame.height
    stretch = Fraction(stream.sample_aspect_ratio or 1) or Fraction(1)
    if not Fraction(1, MAX_STRETCH) <= stretch <= MAX_STRETCH:
        message = f"Its pixels are {float(stretch):g} times as wide as high; at most {MAX_STRETCH} are taken."
        raise BrokenMedia("wrong_format", message)
    if stretch > 1:
        width = round(width * stretch)
    else:
        height = round(height / stretch)
    check_pixels(width, height, MAX_VIDEO_PIXELS)
    if stream.container.format.name.startswith("matroska") and Type.DISPLAYMATRIX in frame.side_data:
        raise BrokenMedia(
            "wrong_format", "A WebM that says how its pictures are turned is not turned everywhere."
        )
    return Shown(width, height, _turn(matrix))


def _check_pixel_format(frame: av.VideoFrame) -> None:
    if frame.format.name not in PIXEL_FORMATS:
        message = f"Its pixels have {_described(frame.format)}, which not every browser plays"
        raise BrokenMedia("wrong_format", f"{message}; 8 bits with 4:2:0 are taken.")
    if frame.color_trc in HIGH_DYNAMIC_RANGE or frame.color_primaries == ColorPrimaries.BT2020:
        message = "Its colours are of a high dynamic range or BT.2020, which browsers show differently"
        raise BrokenMedia("wrong_format", f"{message}; BT.709 is taken.")


def _described(pixels: av.VideoFormat) -> str:
    """As in “10 bits with 4:2:2”."""
    bits = max(component.bits for component in pixels.components)
    if pixels.is_rgb:
        return f"{bits} bits in RGB"
    if len(pixels.components) < 3:
        return f"{bits} bits of grey"
    ratio = (pixels.chroma_width(8), pixels.chroma_height(8))
    sampled = {(8, 8): "4:4:4", (4, 8): "4:2:2", (4, 4): "4:2:0", (8, 4): "4:4:0", (2, 8): "4:1:1"}
    alpha = " and transparency" if len(pixels.components) > 3 else ""
    return f"{bits} bits with {sampled.get(ratio, pixels.name)}{alpha}"


def _turn(matrix: tuple[float, ...] | None) -> Image.Transpose | None:
    turns = tuple(round(number, 3) for number in matrix or UPRIGHT)
    if turns not in TURNS:
        message = (
            "Its display matrix mirrors, slants or stretches the pictures, which browsers do differently."
        )
        raise BrokenMedia("wrong_format", message)
    return TURNS[turns]
