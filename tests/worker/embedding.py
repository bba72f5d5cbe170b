"""Leases of an embedder, its vectors as they are reported, and one that does what a test says."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from threading import Thread
from typing import Any

import numpy as np
from PIL import Image

from ourvidz_worker.embeddings.base import Embedder, Vectors
from ourvidz_worker.embeddings.client import EmbeddingServer
from ourvidz_worker.embeddings.runner import EmbeddingRunner
from ourvidz_worker.embeddings.sketch import SketchEmbedder
from ourvidz_worker.health import WorkerHealth
from ourvidz_worker.runner import ShutDown
from tests.worker.protocol_server import TOKEN, ProtocolServer

Script = Callable[[Sequence[Any], Vectors], Vectors]


class ScriptedEmbedder(SketchEmbedder):
    """Does `script` with what it is given and its vectors. `batches`: how many it had each time."""

    def __init__(self, script: Script = lambda items, vectors: vectors) -> None:
        super().__init__()
        self._script = script
        self.batches: list[int] = []

    def embed_images(self, images: Sequence[Image.Image]) -> Vectors:
        self.batches.append(len(images))
        return self._script(images, super().embed_images(images))

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        self.batches.append(len(texts))
        return self._script(texts, np.ones((len(texts), self.dimensions), np.float32))


def picture(shade: int = 100, size: tuple[int, int] = (32, 24), kind: str = "WEBP") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (shade, 40, 200)).save(file, kind)
    return file.getvalue()


def lease(server: ProtocolServer, images: Mapping[str, bytes] | None = None, **texts: str) -> None:
    """Puts what is to embed into the next answer to a lease."""
    server.images |= images or {}
    address = "/api/v1/worker/embeddings/images"
    server.jobs.append(
        {
            "images": [{"asset_id": name, "url": f"{address}/{name}"} for name in images or {}],
            "texts": [{"id": name, "text": text} for name, text in texts.items()],
            "lease_seconds": 60,
        }
    )


def outcomes(server: ProtocolServer) -> dict[str, Any]:
    """What was reported: a vector, or an error, by id."""
    found: dict[str, Any] = {}
    for request in server.seen("/embeddings"):
        for each in (*request.json["images"], *request.json["texts"]):
            vector = each.get("vector")
            name = each["asset_id"] if "asset_id" in each else each["id"]
            found[name] = (
                each["error"] if vector is None else np.frombuffer(base64.b64decode(vector), dtype="<f4")
            )
    return found


@contextmanager
def embedding(
    server: ProtocolServer,
    embedder: Embedder | None = None,
    *,
    errors: list[Exception] | None = None,
    client_patience: float = 600.0,
    health: WorkerHealth | None = None,
    **options: Any,
) -> Iterator[EmbeddingRunner]:
    """A runner at work in a thread; what ends it is added to `errors`."""
    client = EmbeddingServer(server.url, TOKEN, client_patience)
    runner = EmbeddingRunner(client, lambda: embedder or SketchEmbedder(), health=health, **options)

    def run() -> None:
        try:
            runner.run()
        except Exception as error:
            if errors is None:
                raise
            errors.append(error)

    thread = Thread(target=run)
    thread.start()
    try:
        yield runner
        if errors is not None:
            thread.join(15)
    finally:
        with suppress(ShutDown):
            runner.stop()
        thread.join(15)
        client.close()
    assert not thread.is_alive()
