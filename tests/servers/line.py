"""A line to a web server that can go dead without being closed, as a proxy or a sleeping laptop makes it."""

from __future__ import annotations

import contextlib
import socket
import threading

CHUNK = 64 * 1024


class Connection:
    """One browser's connection, forwarded both ways until it is muted."""

    def __init__(self, line: Line, browser: socket.socket) -> None:
        self.line = line
        self.browser = browser
        self.server = socket.create_connection(("127.0.0.1", line.target))
        self.is_socket = False
        self.is_muted = False
        for source, target in ((browser, self.server), (self.server, browser)):
            threading.Thread(target=self._forward, args=(source, target), daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while content := source.recv(CHUNK):
                if b"upgrade: websocket" in content.lower():
                    self.is_socket = True
                    self.is_muted = self.line.is_muted
                if not self.is_muted:
                    target.sendall(content)
            if not self.is_muted:
                target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        for end in (self.browser, self.server):
            end.close()


class Line:
    """A proxy before the web server on port `target`."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.is_muted = False
        self.connections: list[Connection] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self.connections.append(Connection(self, self.listener.accept()[0]))

    def mute_sockets(self) -> None:
        """Forward nothing of the WebSockets from now on, new ones included; what is HTTP goes on."""
        self.is_muted = True
        for connection in self.connections:
            connection.is_muted = connection.is_socket

    def unmute(self) -> None:
        """Forward what is opened from now on; what was muted stays dead."""
        self.is_muted = False

    def close(self) -> None:
        self.listener.close()
        for connection in self.connections:
            connection.close()
