"""A proxy that changes one thing of what passes, as misconfigured ones do."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def without_port_in_host(server_port: int) -> Iterator[str]:
    """The address of a proxy in front of the local server that drops the port from `Host`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        named = f"Host: 127.0.0.1:{port}".encode()
        threading.Thread(target=_accept, args=(listener, server_port, named), daemon=True).start()
        yield f"http://127.0.0.1:{port}"


def _accept(listener: socket.socket, server_port: int, named: bytes) -> None:
    with contextlib.suppress(OSError):  # when the test is over
        while True:
            client, _ = listener.accept()
            server = socket.create_connection(("127.0.0.1", server_port))
            threading.Thread(target=_pass_on, args=(client, server, named), daemon=True).start()
            threading.Thread(target=_pass_on, args=(server, client, named), daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket, named: bytes) -> None:
    with source, contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data.replace(named, b"Host: 127.0.0.1"))
        target.shutdown(socket.SHUT_WR)
