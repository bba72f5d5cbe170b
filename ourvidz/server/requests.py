"""A request as the server handles it: daphne's, with its body bounded."""

from __future__ import annotations

from ourvidz.server.bodies import BoundedBody


class Request(BoundedBody):
    """What a connection makes for each request."""
