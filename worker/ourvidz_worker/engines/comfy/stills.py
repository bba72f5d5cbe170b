"""A picture that ComfyUI saved, as the worker delivers it: its pixels, and nothing else.

ComfyUI writes the whole workflow into each file that it saves.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from ourvidz_worker.engines.comfy import faults
from ourvidz_worker.engines.png import SIGNATURE
from ourvidz_worker.engines.references import MAX_PIXELS

# What decides how the pixels look. All other chunks are text, times, or somebody's own.
PIXEL_CHUNKS = frozenset(
    {
        b"IHDR",
        b"PLTE",
        b"IDAT",
        b"IEND",
        b"tRNS",
        b"gAMA",
        b"cHRM",
        b"sRGB",
        b"iCCP",
        b"cICP",
        b"sBIT",
        b"pHYs",
    }
)
MODES = ("RGB", "RGBA", "L", "LA")
ADVICE = "Let the output node save PNG files, one at a time."


def still(content: bytes, parameters: str) -> tuple[bytes, int, int]:
    """A PNG with these pixels and the generation's `parameters` as its only text; its width and height in px.

    A PNG keeps its compressed pixels, of whatever depth; JPEG and WebP are decoded. Raises ComfyFault.
    """
    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG", "WEBP")) as image:
            if image.width * image.height > MAX_PIXELS:
                raise faults.wrong_kind(f"The picture has over {MAX_PIXELS} pixels.", ADVICE)
            if getattr(image, "n_frames", 1) > 1:
                message = f"The workflow of this model made an animated {image.format} in place of a picture."
                raise faults.wrong_kind(message, ADVICE)
            image.load()
            if image.format == "PNG":
                return _without_text(content, parameters), image.width, image.height
            return _as_png(image, parameters)
    except (OSError, ValueError, SyntaxError, struct.error, Image.DecompressionBombError) as error:
        message = "The workflow of this model made a file that is no picture."
        raise faults.wrong_kind(message, f"{kind_of(content)} ({type(error).__name__}). {ADVICE}") from error


def kind_of(content: bytes) -> str:
    """What a file seems to be, for people."""
    if content[:4] == b"GIF8":
        return "a GIF"
    if content[4:8] == b"ftyp":
        return "an MP4 or QuickTime file"
    if content[:4] == b"\x1aE\xdf\xa3":
        return "a WebM or Matroska file"
    if content[:4] == b"RIFF":
        return f"a {content[8:12].decode('ascii', 'replace').strip()} file"
    if content.startswith(SIGNATURE):
        return "a PNG"
    return "a JPEG" if content[:2] == b"\xff\xd8" else "a file of an unknown kind"


def _without_text(content: bytes, parameters: str) -> bytes:
    chunks = [chunk for name, chunk in _chunks(content) if name in PIXEL_CHUNKS]
    return b"".join([SIGNATURE, chunks[0], *_text_chunks(parameters), *chunks[1:]])


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and bytes of each, to the end of the picture. Raises struct.error, ValueError."""
    at, name = len(SIGNATURE), b""
    while name != b"IEND":
        size, name = struct.unpack_from(">I4s", content, at)
        chunk = content[at : at + 12 + size]
        if len(chunk) != 12 + size:
            raise ValueError("cut off")
        yield name, chunk
        at += len(chunk)


def _text_chunks(parameters: str) -> Iterator[bytes]:
    for name, data, *_ in _info(parameters).chunks:
        yield (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))
        )


def _info(parameters: str) -> PngInfo:
    info = PngInfo()
    info.add_text("parameters", parameters)
    return info


def _as_png(image: Image.Image, parameters: str) -> tuple[bytes, int, int]:
    """Turned as browsers show it: they do not read the orientation of a WebP."""
    profile = image.info.get("icc_profile")
    if image.format == "JPEG":
        image = ImageOps.exif_transpose(image)
    if image.mode not in MODES:
        image, profile = image.convert("RGB"), None
    file = io.BytesIO()
    image.save(file, "PNG", pnginfo=_info(parameters), icc_profile=profile, exif=b"")
    return file.getvalue(), image.width, image.height
