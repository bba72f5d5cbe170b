"""A raw request body under a cap, as a file that can be rewound."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, BinaryIO, cast

from django.core.exceptions import RequestDataTooBig

if TYPE_CHECKING:
    from django.http import HttpRequest

CHUNK_BYTES = 256 * 1024
IN_MEMORY_BYTES = 2 * 1024 * 1024


@contextmanager
def capped_body(request: HttpRequest, *, limit: int) -> Iterator[BinaryIO]:
    """The body, at its start.

    Raises:
        RequestDataTooBig: over `limit` bytes, by the Content-Length sent or by the bytes that came.
    """
    if _declared(request) > limit:
        raise RequestDataTooBig
    # Our ASGI handler has it in such a file already; other handlers have a stream.
    if (body_file := getattr(request, "body_file", None)) is not None:
        if body_file.seek(0, os.SEEK_END) > limit:
            raise RequestDataTooBig
        body_file.seek(0)
        yield body_file
        return
    with SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as body:
        while chunk := request.read(CHUNK_BYTES):
            if body.tell() + len(chunk) > limit:
                raise RequestDataTooBig
            body.write(chunk)
        body.seek(0)
        yield cast("BinaryIO", body)


def _declared(request: HttpRequest) -> int:
    length = request.META.get("CONTENT_LENGTH") or "0"
    return int(length) if length.isascii() and length.isdigit() else 0
