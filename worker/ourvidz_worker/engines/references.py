"""Finds and decodes the reference images of a job."""

from __future__ import annotations

import io

from PIL import Image, ImageOps

from ourvidz_worker.protocol import AssetError, Job, Reference

FORMATS = ("PNG", "JPEG", "WEBP")  # those that servers accept; Pillow would start Ghostscript for others
MAX_PIXELS = 64_000_000  # the server's limit; a file of a few hundred bytes may claim far more


class UnreadableReference(Exception):
    """The file cannot be decoded as an image."""


def find_reference(job: Job, type_name: str) -> Reference | None:
    return next((each for each in job.references if each.type == type_name), None)


def decode_image(content: bytes, size: tuple[int, int] | None = None) -> Image.Image:
    """The image, upright and in RGB; cropped to fill `size` (width, height in px), if given.

    Raises UnreadableReference.
    """
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as file:
            if file.width * file.height > MAX_PIXELS:
                raise UnreadableReference(f"over {MAX_PIXELS} pixels")
            upright = ImageOps.exif_transpose(file).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UnreadableReference(type(error).__name__) from error
    return ImageOps.fit(upright, size, Image.Resampling.LANCZOS) if size else upright


def unreadable_error(error: UnreadableReference) -> AssetError:
    """The error of the slots that need this reference."""
    message = f"The reference image cannot be read ({error})."
    return AssetError("reference_unreadable", message, retryable=False)
