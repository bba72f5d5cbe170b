"""A request as the server handles it: daphne's, with a body that is streamed."""

from __future__ import annotations

from ourvidz.server.bodies import StreamedBody


class Request(StreamedBody):
    """What a connection makes for each request."""
