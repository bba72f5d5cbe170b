"""Messages between the server and a decoding process: a length, JSON, and open files beside it."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from typing import Any

LENGTH_BYTES = 4
MAX_MESSAGE_BYTES = 16 * 1024
MAX_FILES = 2


class BadMessage(Exception):
    """What came is no message of this protocol; or the other side has gone."""


def send(line: socket.socket, message: dict[str, Any], files: Sequence[int] = (), body: bytes = b"") -> None:
    encoded = json.dumps(message).encode()
    head = len(encoded).to_bytes(LENGTH_BYTES, "big")
    if files:
        socket.send_fds(line, [head], list(files))
    else:
        line.sendall(head)
    line.sendall(encoded + body)


def receive(line: socket.socket) -> dict[str, Any]:
    """The next message; the system closes files that came along. Raises BadMessage."""
    return _message(line, receive_body(line, LENGTH_BYTES))


def receive_with_files(line: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """The next message, with the descriptors of the files that came along. Raises BadMessage."""
    head, files, _, _ = socket.recv_fds(line, LENGTH_BYTES, MAX_FILES)
    return _message(line, head + receive_body(line, LENGTH_BYTES - len(head))), files


def _message(line: socket.socket, head: bytes) -> dict[str, Any]:
    length = int.from_bytes(head, "big")
    if not 0 < length <= MAX_MESSAGE_BYTES:
        reason = f"a message of {length} bytes"
        raise BadMessage(reason)
    try:
        message = json.loads(receive_body(line, length))
    except (ValueError, RecursionError) as error:
        raise BadMessage(type(error).__name__) from error
    if not isinstance(message, dict):
        raise BadMessage(type(message).__name__)
    return message


def receive_body(line: socket.socket, length: int) -> bytes:
    """Exactly `length` bytes, which the caller has bounded. Raises BadMessage."""
    body = bytearray()
    while len(body) < length:
        chunk = line.recv(min(length - len(body), 256 * 1024))
        if not chunk:
            reason = "the line was closed"
            raise BadMessage(reason)
        body += chunk
    return bytes(body)
