"""Files that a broken, odd or hostile worker might send."""

from __future__ import annotations

import io
import struct
import tempfile
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import av
from PIL import Image


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def plain(width: int = 64, height: int = 48, mode: str = "RGB") -> Image.Image:
    return Image.effect_noise((width, height), 40).convert(mode)


def animated(kind: str) -> bytes:
    others = [Image.new("RGB", (64, 48), (shade, 0, 0)) for shade in (50, 100, 150)]
    return encoded(Image.new("RGB", (64, 48)), kind, save_all=True, append_images=others)


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header promises a huge picture."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@cache
def clip(
    container: str = "mp4",
    codec: str = "libx264",
    *,
    faststart: bool = False,
) -> bytes:
    """A second of video, 64 x 64 at 16 frames a second."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip"
        options = {"movflags": "faststart"} if faststart else {}
        with av.open(str(path), "w", format=container, options=options) as out:
            stream: Any = out.add_stream(codec, rate=16)
            stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
            for number in range(16):
                picture = Image.effect_noise((64, 64), 40 + number).convert("RGB")
                out.mux(stream.encode(av.VideoFrame.from_image(picture)))
            out.mux(stream.encode(None))
        return path.read_bytes()


@cache
def sound_only() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sound"
        with av.open(str(path), "w", format="mp4") as out:
            stream: Any = out.add_stream("aac", rate=44100)
            frame = av.AudioFrame(format="fltp", layout="stereo", samples=1024)
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            frame.rate, frame.pts = 44100, 0
            out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        return path.read_bytes()
