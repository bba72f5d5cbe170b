"""Connections: daphne's factory, making our requests."""

from __future__ import annotations

from typing import Any

from daphne.http_protocol import HTTPFactory

from ourvidz.server.bodies import LingeringChannel
from ourvidz.server.requests import Request


class Connection(LingeringChannel):
    """Twisted's, which closes so that its client hears why."""


class ConnectionFactory(HTTPFactory):
    """Makes the protocol of each connection."""

    def protocol(self) -> Connection:
        return Connection()

    def buildProtocol(self, addr: object) -> Any:  # noqa: N802 - Twisted's name
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = Request
        return protocol
