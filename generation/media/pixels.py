"""Turning decoded pictures of any mode into upright 8-bit sRGB, in strips: a copy of the whole takes memory.

Runs in the decoding process only.
"""

from __future__ import annotations

import io
from typing import TypedDict

from PIL import Image, ImageChops, ImageCms

from generation.media.formats import SMALL_EDGE, THUMBNAIL_EDGE
from generation.media.png_colours import said_profile

BACKGROUND = "white"  # under what is transparent
STRIP_PIXELS = 1_000_000
ORIENTATION = 0x0112
QUARTER_TURNS = (5, 6, 7, 8)
# The values of the EXIF tag, as Pillow names what undoes them.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
PROFILE_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}


def orientation_of(picture: Image.Image) -> int:
    """1 to 8, as EXIF counts; 1, upright, for what says nothing or nonsense.

    As browsers do: not of a WebP, and from EXIF alone, where Pillow's own `getexif` believes XMP and texts.
    """
    if picture.format == "WEBP":
        return 1
    exif = Image.Exif()
    try:
        exif.load(picture.info.get("exif", b""))
        value = exif.get(ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - a damaged EXIF block raises anything; the picture is not damaged by it
        return 1
    return value if value in TURNS else 1


def set_said_profile(picture: Image.Image, cicp: bytes) -> None:
    """Give a PNG that says its colours in other words the profile that says the same. Raises BrokenMedia."""
    profile = said_profile(picture.info, cicp, is_grey=_colour_mode(picture) == "L")
    if cicp or profile:
        picture.info["icc_profile"] = profile


def upright(picture: Image.Image, orientation: int) -> Image.Image:
    return picture.transpose(TURNS[orientation]) if orientation in TURNS else picture


def to_srgb(picture: Image.Image, *, factor: int = 1, keep_alpha: bool = False) -> Image.Image:
    """The loaded picture in 8-bit sRGB, `factor` times smaller; RGBA, or laid on BACKGROUND."""
    width, height = picture.size
    has_alpha = picture.has_transparency_data
    transform = _transform_of(picture)
    size = (-(-width // factor), -(-height // factor))
    canvas = Image.new("RGBA" if keep_alpha and has_alpha else "RGB", size, BACKGROUND)
    rows = max(1, STRIP_PIXELS // width // factor) * factor
    for top in range(0, height, rows):
        strip = picture.crop((0, top, width, min(top + rows, height)))
        colours, alpha = _split(strip, has_alpha=has_alpha)
        colours = ImageCms.applyTransform(colours, transform) or colours if transform else colours
        colours = colours.convert("RGB")
        if alpha:
            colours.putalpha(alpha)
        if factor > 1:
            colours = colours.reduce(factor)
        at = (0, top // factor)
        canvas.paste(colours, at, None if canvas.mode == "RGBA" or not alpha else colours)
    return canvas


def _split(strip: Image.Image, *, has_alpha: bool) -> tuple[Image.Image, Image.Image | None]:
    """Its colours in L, RGB or CMYK with 8 bits, and its alpha channel."""
    if strip.mode.startswith("I"):
        return _from_16_bits(strip)
    if not has_alpha:
        return strip.convert(_colour_mode(strip)), None
    rgba = strip.convert("RGBA")
    colours = rgba.getchannel("R") if _colour_mode(strip) == "L" else rgba.convert("RGB")
    return colours, rgba.getchannel("A")


def _colour_mode(picture: Image.Image) -> str:
    if picture.mode == "CMYK":
        return "CMYK"
    return "L" if picture.mode in ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L") else "RGB"


def _from_16_bits(strip: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """16 bits a pixel, which a plain conversion would clip to white."""
    deep = strip.convert("I")
    grey = deep.point(lambda value: value * (255 / 65535) + 0.5).convert("L")
    clear = strip.info.get("transparency")
    if not isinstance(clear, int):
        return grey, None
    above = deep.point(lambda value: value * 1 - clear).convert("L")
    below = deep.point(lambda value: value * -1 + clear).convert("L")
    return grey, ImageChops.lighter(above, below).point(lambda value: 255 if value else 0)


def _transform_of(picture: Image.Image) -> ImageCms.ImageCmsTransform | None:
    """From the picture's colour profile to sRGB; None without a sound one that fits its mode."""
    data = picture.info.get("icc_profile")
    mode = _colour_mode(picture)
    if not data:
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        if profile.profile.xcolor_space.strip() != PROFILE_SPACES[mode]:
            return None
        return ImageCms.buildTransform(profile, SRGB, mode, "RGB")
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None


class Thumbnails(TypedDict):
    """As `Measured` has them."""

    thumbnail: bytes
    small_thumbnail: bytes
    placeholder: str


def thumbnails(picture: Image.Image, *, orientation: int = 1) -> Thumbnails:
    """WebP in two sizes, upright, with its transparency, and the placeholder."""
    # Reduced as often as that fits before it is resampled, which saves two thirds of the time.
    factor = max(1, max(picture.size) // THUMBNAIL_EDGE)
    shown = to_srgb(picture, factor=factor, keep_alpha=True)
    shown.thumbnail((THUMBNAIL_EDGE, THUMBNAIL_EDGE), Image.Resampling.LANCZOS)
    shown = upright(shown, orientation)
    small = shown.copy()
    small.thumbnail((SMALL_EDGE, SMALL_EDGE), Image.Resampling.LANCZOS)
    return Thumbnails(thumbnail=_webp(shown), small_thumbnail=_webp(small), placeholder=_placeholder(small))


def _webp(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=82, method=2)
    return out.getvalue()


def _placeholder(picture: Image.Image) -> str:
    halves = picture.convert("RGBA").resize((1, 2), Image.Resampling.BOX)
    on_white = Image.new("RGBA", halves.size, BACKGROUND)
    on_white.alpha_composite(halves)
    return on_white.convert("RGB").tobytes().hex()
