"""Reference images, as engines want them."""

from __future__ import annotations

import io

from PIL import Image, ImageOps

from ourvidz_worker.protocol import AssetError, Job, Reference

FORMATS = ("PNG", "JPEG", "WEBP")  # what servers take; Pillow would start Ghostscript for others
MOST_PIXELS = 64_000_000  # as servers allow; a few hundred bytes may claim to be far more


class UnreadableReference(Exception):
    """The file is no picture that can be decoded."""


def reference(job: Job, kind: str) -> Reference | None:
    return next((each for each in job.references if each.type == kind), None)


def picture(content: bytes, size: tuple[int, int] | None = None) -> Image.Image:
    """Upright and RGB; cut to fill `size` (width, height, px) if there is one. Raises UnreadableReference."""
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as file:
            if file.width * file.height > MOST_PIXELS:
                raise UnreadableReference(f"over {MOST_PIXELS} pixels")
            upright = ImageOps.exif_transpose(file).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UnreadableReference(type(error).__name__) from error
    return ImageOps.fit(upright, size, Image.Resampling.LANCZOS) if size else upright


def unreadable(error: UnreadableReference) -> AssetError:
    """What is said of the slots that were to go by it."""
    message = f"The reference image cannot be read ({error})."
    return AssetError("reference_unreadable", message, retryable=False)
