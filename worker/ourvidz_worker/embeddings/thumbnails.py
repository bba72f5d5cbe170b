"""Fetches and decodes the images of a lease."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event

import httpx
from PIL import Image

from ourvidz_worker import log
from ourvidz_worker.embeddings.client import EmbeddingServer
from ourvidz_worker.embeddings.messages import Embedded, LeasedImage
from ourvidz_worker.engines.references import UnreadableReference, decode_image
from ourvidz_worker.errors import ServerRefused, ServerUnavailable


class ImageUnusable(Exception):
    """The message says why, for the server's operator."""


def fetch_images(
    server: EmbeddingServer, leased: Sequence[LeasedImage], halted: Event
) -> tuple[dict[str, Image.Image], list[Embedded]]:
    """The images by id, and the errors of those that cannot be embedded.

    What is not leased any more is in neither.

    Raises:
        ServerUnavailable, ServerRefused, TokenRefused, Halted
    """
    images, errors = {}, []
    for each in leased:
        try:
            content = _fetch(server, each, halted)
            if content is not None:
                images[each.id] = _decode(content)
        except ImageUnusable as error:
            log.event("image_unusable", id=each.id, reason=str(error))
            errors.append(Embedded(each.id, error=str(error)))
    return images, errors


def _fetch(server: EmbeddingServer, leased: LeasedImage, halted: Event) -> bytes | None:
    """None if it is not leased any more."""
    try:
        return server.image(leased.url, halted=halted)
    except ServerUnavailable as unavailable:
        if unavailable.status != httpx.codes.INTERNAL_SERVER_ERROR:  # of this image, not of the server
            raise
        raise ImageUnusable("the server fails to give the image") from unavailable
    except ServerRefused as refused:
        if refused.status == httpx.codes.OK:
            raise ImageUnusable("the image is too large") from refused
        if refused.status != httpx.codes.NOT_FOUND:
            raise
        log.event("image_gone", id=leased.id)
        return None


def _decode(content: bytes) -> Image.Image:
    try:
        return decode_image(content)
    except UnreadableReference as error:
        raise ImageUnusable(f"the image cannot be read ({error})") from error
    except Exception as error:  # decoders raise anything of a damaged file
        raise ImageUnusable(f"the image cannot be read ({type(error).__name__})") from error
