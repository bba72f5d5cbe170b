"""Request bodies: left to Django to parse, and ended at the cap."""

from __future__ import annotations

from typing import Any

from daphne.http_protocol import WebRequest
from django.conf import settings

# Above the cap of an upload, so that the view can answer those in words.
BODY_BYTES = settings.MAX_UPLOAD_BYTES + 16 * 1024 * 1024
REFUSAL = b"HTTP/1.1 413 Request Entity Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class BoundedBody(WebRequest):
    """A request whose body is left to Django and ends at the cap."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Twisted would parse a form in memory on the event loop: 200 MB block it for 12 s.
        self._parsePOSTFormSubmission = False
        self._received = 0

    def gotLength(self, length: int | None) -> None:  # noqa: N802 - Twisted's name
        super().gotLength(length)
        if length is not None and length > BODY_BYTES:
            self._refuse()

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        was_refused = self._received > BODY_BYTES
        self._received += len(data)
        if self._received <= BODY_BYTES:
            super().handleContentChunk(data)
        elif not was_refused:
            self._refuse()

    def _refuse(self) -> None:
        self._received = BODY_BYTES + 1
        self.channel.transport.write(REFUSAL)
        self.channel.loseConnection()
