"""What a ComfyUI says of a prompt while it runs, by WebSocket. Only progress and previews depend on it."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from ourvidz_worker import log
from ourvidz_worker.engines.comfy.api import ComfyClient

MAX_MESSAGE_BYTES = 16 * 2**20
OPEN_TIMEOUT_S, CLOSE_TIMEOUT_S = 3.0, 0.5
RETRY_S = 5.0
# Without it a preview does not say which prompt it is of.
FEATURES = json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
PREVIEW, PREVIEW_WITH_METADATA = 1, 4  # kinds of binary messages; others hold no picture
IMAGE_FORMATS = {1: "JPEG", 2: "PNG"}


@dataclass(frozen=True, slots=True)
class Message:
    """`prompt_id` is empty where the message is of all prompts."""

    kind: str
    prompt_id: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PreviewFrame:
    """`prompt_id` is empty where ComfyUI does not say it: then it is of the prompt that runs."""

    prompt_id: str
    picture: bytes


class Events:
    """Listens as the client `client_id`, whom ComfyUI tells of its own prompts. Connects again when cut off.

    `losses`: how often it was cut off.
    """

    def __init__(self, client: ComfyClient, client_id: str) -> None:
        scheme, _, rest = client.url.partition("://")
        self._url = f"{'wss' if scheme == 'https' else 'ws'}://{rest}/ws?clientId={client_id}"
        self._tls = client.tls
        self._stack = ExitStack()
        self._socket: ClientConnection | None = None
        self._due = 0.0  # when to connect again
        self.losses = 0

    def __enter__(self) -> Events:
        self._connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    @property
    def is_connected(self) -> bool:
        return self._socket is not None

    def receive(self, timeout_s: float) -> Message | PreviewFrame | None:
        """The next message; None after `timeout_s`, or where it means nothing to a job. Never raises."""
        if self._socket is None and time.monotonic() >= self._due:
            self._connect()
        if self._socket is None:
            time.sleep(timeout_s)
            return None
        try:
            content = self._socket.recv(timeout=timeout_s)
        except TimeoutError:
            return None
        except (WebSocketException, OSError, EOFError) as error:
            self._lose(error)
            return None
        return parse_text(content) if isinstance(content, str) else parse_binary(content)

    def _connect(self) -> None:
        parts = urlsplit(self._url)
        port = parts.port or (443 if parts.scheme == "wss" else 80)
        try:
            self._socket = self._stack.enter_context(
                connect(
                    self._url,
                    ssl=self._tls,
                    address=(parts.hostname or "", port),  # a redirect leads to no other machine
                    proxy=None,
                    compression=None,
                    open_timeout=OPEN_TIMEOUT_S,
                    close_timeout=CLOSE_TIMEOUT_S,
                    max_size=MAX_MESSAGE_BYTES,
                )
            )
            self._socket.send(FEATURES)
        except (WebSocketException, OSError, ValueError, EOFError) as error:
            self._lose(error)

    def _lose(self, error: Exception) -> None:
        if self.losses == 0:
            log.event("comfy_socket_lost", error=type(error).__name__)
        self.losses += 1
        self._due = time.monotonic() + RETRY_S
        self._close()

    def _close(self) -> None:
        self._socket = None
        try:
            self._stack.close()
        except (WebSocketException, OSError):
            self._stack = ExitStack()


def parse_text(content: str) -> Message | None:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(body, dict) or not isinstance(body.get("data"), dict):
        return None
    data = body["data"]
    return Message(str(body.get("type")), str(data.get("prompt_id") or ""), data)


def parse_binary(content: bytes) -> PreviewFrame | None:
    """The picture of a message, after its kind, and its format or the metadata's length: 4 bytes each."""
    if len(content) < 8:
        return None
    kind, number = struct.unpack_from(">II", content)
    if kind == PREVIEW and number in IMAGE_FORMATS:
        return PreviewFrame("", content[8:])
    if kind != PREVIEW_WITH_METADATA or 8 + number > len(content):
        return None
    try:
        metadata = json.loads(content[8 : 8 + number])
    except (ValueError, RecursionError):
        return None
    prompt_id = metadata.get("prompt_id") if isinstance(metadata, dict) else ""
    return PreviewFrame(str(prompt_id or ""), content[8 + number :])
