"""A request as the server handles it: daphne's, with what HTTP asks of its answer."""

from __future__ import annotations

from typing import Any

import structlog

from ourvidz.server.bodies import StreamedBody

log = structlog.get_logger("ourvidz.server")
BODILESS = (204, 304)


class Request(StreamedBody):
    """What a connection makes for each request."""

    _has_body = True
    _bytes_left: int | None = None  # of an answer that announced its length

    def process(self) -> Any:
        # Daphne believes in this prefix of the path, whoever sends it; for a socket it copies these headers.
        self.requestHeaders.removeHeader(b"daphne-root-path")
        # Our sockets speak none, and daphne fails on one that is not in ASCII.
        self.requestHeaders.removeHeader(b"sec-websocket-protocol")
        if len(self.requestHeaders.getRawHeaders(b"host", [])) > 1:
            return self.basic_error(400, b"Bad Request", "More than one host")
        if not self.uri.startswith(b"/"):
            return self.basic_error(400, b"Bad Request", "The target is not a path")
        return super().process()

    def handle_reply(self, message: dict[str, Any]) -> None:
        if self.finished or self.channel is None:
            return
        if message["type"] == "http.response.start":
            super().handle_reply(self._begin(message))
        elif not self._has_body:
            # Daphne would send what follows the first part. Ended at once, so that nobody makes the rest.
            super().handle_reply({"type": "http.response.body"})
        elif self._fits(message):
            super().handle_reply(message)
        else:
            # What the client takes for the next answer would be the rest of this one, or the reverse.
            log.error("response.length_differs", path=self.path.decode("ascii", "replace"))
            self.abort()

    def _begin(self, message: dict[str, Any]) -> dict[str, Any]:
        status, headers = message["status"], list(message.get("headers", ()))
        if status < 200:
            error = f"{status} is not the status of an answer"
            raise ValueError(error)
        if status in BODILESS:
            headers = [(name, value) for name, value in headers if name.lower() != b"content-length"]
        self._has_body = self.method != b"HEAD" and status not in BODILESS
        lengths = [int(value) for name, value in headers if name.lower() == b"content-length"]
        self._bytes_left = lengths[0] if lengths else None
        return message | {"headers": headers}

    def _fits(self, message: dict[str, Any]) -> bool:
        """Whether this part of the body is what is left of the length, or some of it when more is to come."""
        if self._bytes_left is None:
            return True
        self._bytes_left -= len(message.get("body", b""))
        return self._bytes_left >= 0 if message.get("more_body") else self._bytes_left == 0

    def handle_exception(self, exception: Exception) -> None:
        if self._response_started:
            # Daphne would raise, and with that end its own watch over all requests.
            self.abort()
        else:
            super().handle_exception(exception)

    def check_timeouts(self) -> None:
        """Daphne's bound is for the first byte; a client that stands still after it is the connection's."""
        if not self._response_started:
            super().check_timeouts()

    def abort(self) -> None:
        if self.channel is not None:
            self.channel.transport.abortConnection()
