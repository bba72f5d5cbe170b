"""Every kind of image that people and workers send, and the one picture that all its readers are to see."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import av
import numpy as np
from PIL import Image as Picture
from PIL import ImageChops, ImageCms, ImageStat

from tests.generation.pictures import chunk, encoded

WIDTH, HEIGHT = 96, 64
TOLERANCE = 6.0  # mean levels of 255: what JPEG and WebP lose
TRAILER = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 400  # 100 KB, as the video of a motion photo
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
# Adam7: where each pass starts, and its steps.
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
# Every depth that the PNG specification allows, by colour type.
PNG_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
P3 = (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)  # white, red, green, blue
PNG_COLOURS = {0: "grey", 2: "RGB", 3: "palette", 4: "grey and alpha", 6: "RGBA"}


@dataclass(frozen=True, slots=True)
class ImageKind:
    """`moves` when it holds several pictures, of which the first is meant; results of workers hold one."""

    made: Callable[[], bytes]
    expected: Callable[[], Picture.Image]
    moves: bool = False


def scene() -> Picture.Image:
    """Smooth, and different in each corner, so that a turn or a clipped half shows."""
    ramp = Picture.linear_gradient("L").resize((WIDTH, HEIGHT))
    across = ramp.transpose(Picture.Transpose.ROTATE_90).resize((WIDTH, HEIGHT))
    return Picture.merge("RGB", (ramp, across, Picture.new("L", (WIDTH, HEIGHT), 90)))


def grey() -> Picture.Image:
    return scene().convert("L")


def half_clear(mode: str) -> Picture.Image:
    """Its right half is transparent, with black left under it."""
    picture = scene() if mode == "RGBA" else grey()
    clear = (WIDTH // 2, 0, WIDTH, HEIGHT)
    picture.paste(0, clear)
    alpha = Picture.new("L", picture.size, 255)
    alpha.paste(0, clear)
    picture.putalpha(alpha)
    return picture


def on_white(picture: Picture.Image) -> Picture.Image:
    white = Picture.new("RGBA", picture.size, "white")
    white.alpha_composite(picture.convert("RGBA"))
    return white.convert("RGB")


def white() -> Picture.Image:
    return Picture.new("RGB", (WIDTH, HEIGHT), "white")


def deep() -> Picture.Image:
    """16 bits a pixel."""
    return grey().convert("I").point(lambda value: value * 257).convert("I;16")


def keyed() -> tuple[Picture.Image, Picture.Image]:
    """One grey level in 16 bits is transparent, and what is to be seen."""
    level = grey().getpixel((WIDTH // 2, HEIGHT // 2))
    shown = grey().point(lambda value: 255 if value == level else value).convert("RGB")
    return deep(), shown


def as_converted(mode: str) -> Picture.Image:
    return scene().convert(mode).convert("RGB")


def turned(kind: str, orientation: int) -> bytes:
    exif = Picture.Exif()
    exif[0x0112] = orientation
    return encoded(stored(orientation), kind, quality=95, exif=exif)


def stored(orientation: int) -> Picture.Image:
    """The scene as a camera that was held so stores it."""
    undo = {
        1: [],
        2: [Picture.Transpose.FLIP_LEFT_RIGHT],
        3: [Picture.Transpose.ROTATE_180],
        4: [Picture.Transpose.FLIP_TOP_BOTTOM],
        5: [Picture.Transpose.TRANSPOSE],
        6: [Picture.Transpose.ROTATE_90],
        7: [Picture.Transpose.TRANSVERSE],
        8: [Picture.Transpose.ROTATE_270],
    }[orientation]
    picture = scene()
    for step in undo:
        picture = picture.transpose(step)
    return picture


def moving(kind: str, **options: object) -> bytes:
    others = [Picture.new("RGB", (WIDTH, HEIGHT), colour) for colour in ("red", "blue")]
    return encoded(scene(), kind, save_all=True, append_images=others, **options)


def with_trailer(kind: str) -> bytes:
    return encoded(scene(), kind) + TRAILER


@cache
def by_pyav(codec: str, pixels: str, container: str = "image2pipe", frames: int = 1) -> bytes:
    """The scene, written by FFmpeg's encoder in this pixel format; in JPEG the colours are of full range."""
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream: Any = file.add_stream(codec, rate=1, options={"qmin": "1", "qmax": "2"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixels
        if codec == "mjpeg":
            stream.codec_context.color_range = 2
        for number in range(frames):
            picture = half_clear("RGBA") if has_alpha(pixels) else scene()
            shown = picture if not number else Picture.new(picture.mode, picture.size)
            frame = av.VideoFrame.from_ndarray(
                np.asarray(shown), format="rgba" if has_alpha(pixels) else "rgb24"
            )
            converted = frame.reformat(format=pixels, dst_color_range=2 if codec == "mjpeg" else None)
            converted.pts = number
            file.mux(stream.encode(converted))
        file.mux(stream.encode(None))
    return out.getvalue()


def has_alpha(pixels: str) -> bool:
    return pixels in ("rgba", "rgba64be", "ya8", "ya16be", "bgra", "yuva420p")


def seen_by_pyav(pixels: str) -> Picture.Image:
    picture = half_clear("RGBA") if has_alpha(pixels) else scene()
    shown = on_white(picture)
    if pixels.startswith(("gray", "ya")):
        return shown.convert("L").convert("RGB")
    return shown


def with_parts(picture: Picture.Image, *parts: bytes) -> bytes:
    """A PNG with these parts in front of its pixels."""
    content = encoded(picture, "PNG")
    return content[:33] + b"".join(parts) + content[33:]


def gamma(value: float) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", round(value * 100_000)))


def primaries(*values: float) -> bytes:
    return chunk(b"cHRM", struct.pack(">8I", *(round(each * 100_000) for each in values)))


def linear(value: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def in_srgb(light: np.ndarray[Any, Any]) -> Picture.Image:
    """Linear light in sRGB, encoded."""
    light = np.clip(light, 0, 1)
    levels = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return Picture.fromarray(np.round(255 * levels).astype(np.uint8)).convert("RGB")


def from_p3(light: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """From Display P3 to sRGB, linear."""
    matrix = [[1.2249, -0.2247, 0], [-0.0420, 1.0419, 0], [-0.0197, -0.0786, 1.0979]]
    return light @ np.asarray(matrix).T


def levels_of(picture: Picture.Image) -> np.ndarray[Any, Any]:
    return np.asarray(picture, np.float64) / 255


def with_profile_applied() -> Picture.Image:
    shown = ImageCms.profileToProfile(
        scene(), ImageCms.ImageCmsProfile(io.BytesIO(swapped_profile())), ImageCms.createProfile("sRGB")
    )
    assert shown is not None
    return shown


def swapped_profile() -> bytes:
    """sRGB with the columns of red and blue changed over."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = (profile.index(tag, 128) for tag in (b"rXYZ", b"bXYZ"))
    profile[red + 4 : red + 12], profile[blue + 4 : blue + 12] = (
        profile[blue + 4 : blue + 12],
        profile[red + 4 : red + 12],
    )
    return bytes(profile)


def png_samples(depth: int, colours: int) -> tuple[np.ndarray[Any, Any], Picture.Image]:
    """Rows × columns × channels in `depth` bits, and what is to be seen."""
    top = 2**depth - 1
    if colours == 3:
        palette = scene().quantize(min(256, 2**depth))
        return np.asarray(palette)[:, :, None], palette.convert("RGB")
    mode = {0: "L", 2: "RGB", 4: "LA", 6: "RGBA"}[colours]
    picture = half_clear(mode) if mode.endswith("A") else scene().convert(mode)
    levels = np.asarray(picture, np.float64).reshape(HEIGHT, WIDTH, -1)
    samples = np.round(levels * top / 255).astype(np.uint16)
    again = np.round(samples * 255.0 / top).astype(np.uint8)
    seen = Picture.fromarray(again[:, :, 0] if mode == "L" else again, mode)
    return samples, on_white(seen)


def png_of(depth: int, colours: int, *, interlaced: bool = False) -> bytes:
    """A PNG written by hand: neither Pillow nor FFmpeg writes all of them."""
    samples, _ = png_samples(depth, colours)
    rows = []
    for x, y, across, down in PASSES if interlaced else ((0, 0, 1, 1),):
        rows += [b"\0" + _packed(row, depth) for row in samples[y::down, x::across]]
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, colours, 0, 0, interlaced)
    palette = (
        chunk(b"PLTE", bytes(scene().quantize(min(256, 2**depth)).getpalette() or ()))
        if colours == 3
        else b""
    )
    data = chunk(b"IDAT", zlib.compress(b"".join(rows)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + palette + data + chunk(b"IEND", b"")


def _packed(row: np.ndarray[Any, Any], depth: int) -> bytes:
    if depth == 16:
        return row.astype(">u2").tobytes()
    bits = np.unpackbits(row.astype(np.uint8).reshape(-1, 1), axis=1)[:, 8 - depth :]
    return np.packbits(bits).tobytes()


def _pngs() -> dict[str, ImageKind]:
    found = {}
    for colours, depths in PNG_DEPTHS.items():
        for depth in depths:
            seen = partial(lambda *given: png_samples(*given)[1], depth, colours)
            name = f"PNG {PNG_COLOURS[colours]}, {depth} bits"
            found[name] = ImageKind(partial(png_of, depth, colours), seen)
            made = partial(png_of, depth, colours, interlaced=True)
            found[f"{name}, interlaced"] = ImageKind(made, seen)
    return found


def _by_pyav() -> dict[str, ImageKind]:
    """Each pixel format of FFmpeg's own encoders, but those that no browser shows."""
    found = {}
    for codec in ("png", "mjpeg", "libwebp"):
        for pixels in (each.name for each in av.codec.Codec(codec, "w").video_formats or ()):
            if pixels not in ("pal8", "monob"):
                made, seen = partial(by_pyav, codec, pixels), partial(seen_by_pyav, pixels)
                found[f"FFmpeg's {codec} {pixels}"] = ImageKind(made, seen)
    return found


KINDS: dict[str, ImageKind] = {
    **_pngs(),
    **_by_pyav(),
    "PNG 1": ImageKind(
        lambda: encoded(grey().convert("1"), "PNG"), lambda: grey().convert("1").convert("RGB")
    ),
    "PNG P": ImageKind(
        lambda: encoded(scene().quantize(255), "PNG"), lambda: scene().quantize(255).convert("RGB")
    ),
    "PNG P clear": ImageKind(
        lambda: encoded(Picture.new("P", (WIDTH, HEIGHT), 0), "PNG", transparency=b"\0"), white
    ),
    "PNG RGB key": ImageKind(
        lambda: encoded(Picture.new("RGB", (WIDTH, HEIGHT), (1, 2, 3)), "PNG", transparency=(1, 2, 3)), white
    ),
    "PNG L key": ImageKind(
        lambda: encoded(Picture.new("L", (WIDTH, HEIGHT), 7), "PNG", transparency=7), white
    ),
    "PNG LA": ImageKind(lambda: encoded(half_clear("LA"), "PNG"), lambda: on_white(half_clear("LA"))),
    "PNG RGBA": ImageKind(lambda: encoded(half_clear("RGBA"), "PNG"), lambda: on_white(half_clear("RGBA"))),
    "PNG 16 bit": ImageKind(lambda: encoded(deep(), "PNG"), lambda: grey().convert("RGB")),
    "PNG 16 bit key": ImageKind(
        lambda: encoded(
            keyed()[0],
            "PNG",
            transparency=int(grey().getpixel((WIDTH // 2, HEIGHT // 2))) * 257,  # type: ignore[arg-type]
        ),
        lambda: keyed()[1],
    ),
    **{
        f"JPEG {mode}": ImageKind(
            partial(lambda mode: encoded(scene().convert(mode), "JPEG", quality=95), mode),
            partial(as_converted, mode),
        )
        for mode in ("1", "L", "RGB", "CMYK", "YCbCr")
    },
    **{
        f"JPEG {subsampling}": ImageKind(
            partial(lambda each: encoded(scene(), "JPEG", quality=95, subsampling=each), subsampling), scene
        )
        for subsampling in ("4:4:4", "4:2:2", "4:2:0")
    },
    "JPEG progressive": ImageKind(lambda: encoded(scene(), "JPEG", quality=95, progressive=True), scene),
    "JPEG with restart markers": ImageKind(
        lambda: encoded(scene(), "JPEG", quality=95, restart_marker_blocks=2), scene
    ),
    "WebP lossy": ImageKind(lambda: encoded(scene(), "WEBP", quality=95), scene),
    "WebP lossless": ImageKind(lambda: encoded(scene(), "WEBP", lossless=True), scene),
    "WebP RGBA": ImageKind(
        lambda: encoded(half_clear("RGBA"), "WEBP", lossless=True, exact=True),
        lambda: on_white(half_clear("RGBA")),
    ),
    "APNG": ImageKind(lambda: moving("PNG"), scene, moves=True),
    "APNG with a picture of its own": ImageKind(lambda: moving("PNG", default_image=True), scene, moves=True),
    "WebP moving": ImageKind(lambda: moving("WEBP"), scene, moves=True),
    "FFmpeg's APNG": ImageKind(partial(by_pyav, "apng", "rgb24", "apng", 3), scene, moves=True),
    "MPO": ImageKind(lambda: moving("MPO"), scene),
    **{
        f"{kind} of orientation {each}": ImageKind(partial(turned, kind, each), scene)
        for kind in ("JPEG", "PNG")
        for each in range(1, 9)
    },
    **{  # which browsers show as it is stored
        f"WebP of orientation {each}": ImageKind(partial(turned, "WEBP", each), partial(stored, each))
        for each in range(1, 9)
    },
    **{
        f"{kind} with a colour profile": ImageKind(
            partial(
                lambda kind: encoded(scene(), kind, quality=95, lossless=True, icc_profile=swapped_profile()),
                kind,
            ),
            with_profile_applied,
        )
        for kind in ("PNG", "JPEG", "WEBP")
    },
    "PNG in linear light": ImageKind(
        lambda: with_parts(scene(), gamma(1)), lambda: in_srgb(levels_of(scene()))
    ),
    "PNG in linear grey": ImageKind(lambda: with_parts(grey(), gamma(1)), lambda: in_srgb(levels_of(grey()))),
    "PNG with the usual gamma": ImageKind(lambda: with_parts(scene(), gamma(0.45455)), scene),
    "PNG whose gamma is overruled by sRGB": ImageKind(
        lambda: with_parts(scene(), chunk(b"sRGB", b"\0"), gamma(1)), scene
    ),
    "PNG with the primaries of Display P3": ImageKind(
        lambda: with_parts(scene(), gamma(0.45455), primaries(*P3)),
        lambda: in_srgb(from_p3(levels_of(scene()) ** 2.2)),
    ),
    "PNG with cICP of Display P3": ImageKind(
        lambda: with_parts(scene(), chunk(b"cICP", bytes((12, 13, 0, 1)))),
        lambda: in_srgb(from_p3(linear(levels_of(scene())))),
    ),
    "PNG with cICP of BT.709": ImageKind(
        lambda: with_parts(scene(), chunk(b"cICP", bytes((1, 1, 0, 1)))),
        lambda: in_srgb(levels_of(scene()) ** 2.4),
    ),
    "PNG with cICP of sRGB and a profile": ImageKind(
        lambda: with_parts(scene(), chunk(b"cICP", bytes((1, 13, 0, 1))), gamma(1)), scene
    ),
    "PNG with a gamma that cannot be": ImageKind(lambda: with_parts(scene(), gamma(0)), scene),
    "PNG with primaries that cannot be": ImageKind(
        lambda: with_parts(scene(), gamma(0.45455), primaries(0, 0, 0, 0, 0, 0, 0, 0)), scene
    ),
    "JPEG whose XMP alone says that it is turned": ImageKind(
        lambda: encoded(scene(), "JPEG", quality=95, xmp=XMP), scene
    ),
    "WebP whose XMP alone says that it is turned": ImageKind(
        lambda: encoded(scene(), "WEBP", quality=95, xmp=XMP), scene
    ),
    **{
        f"{kind} and a trailer": ImageKind(partial(with_trailer, kind), scene)
        for kind in ("PNG", "JPEG", "WEBP")
    },
}


def difference(one: Picture.Image, other: Picture.Image) -> float:
    """The mean difference in levels, the largest of the channels."""
    assert one.size == other.size
    return max(ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).mean)
