"""The client of the embeddings' protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from threading import Event
from typing import Any

import httpx

from ourvidz_worker.client import ACCESS_TIMEOUT_S, Server
from ourvidz_worker.embeddings.messages import (
    Embedded,
    EmbeddingLease,
    EmbeddingModel,
    parse_lease,
    report_body,
)
from ourvidz_worker.errors import LeaseLost

MAX_IMAGE_BYTES = 16 * 2**20  # a thumbnail has some 20 KB
IMAGE_PATIENCE_S = 10.0  # the others of the lease wait as long


class EmbeddingServer(Server):
    """A server that may have a search by content."""

    def check_embeddings(self) -> None:
        """Raises the error that a wrong address or token, or a server without embeddings, gives.

        Sends a report of nothing, of a model whose name is not known before its weights are found.
        """
        body = report_body("unknown", (), ())
        with suppress(LeaseLost):  # the embeddings are of another model: the server has some
            self._request("POST", "embeddings", json=body, timeout=ACCESS_TIMEOUT_S)

    def lease_embeddings(self, model: EmbeddingModel, limit: int, wait_s: float) -> EmbeddingLease | None:
        """Makes one long poll: what to embed, or None if there is nothing. Never retries."""
        body = {"model": model.body(), "limit": limit, "wait_s": wait_s}
        timeout = httpx.Timeout(wait_s + 15.0, connect=10.0)
        response = self._request("POST", "embeddings/lease", json=body, timeout=timeout)
        return None if response.status == httpx.codes.NO_CONTENT else parse_lease(response.json())

    def image(self, url: str, *, halted: Event) -> bytes:
        """The thumbnail of a result. Raises ServerRefused: it is not leased any more, or too large."""
        return self.download(url, MAX_IMAGE_BYTES, IMAGE_PATIENCE_S, halted=halted)

    def report_embeddings(
        self, model: str, images: Sequence[Embedded], texts: Sequence[Embedded], *, halted: Event
    ) -> Mapping[str, Any]:
        body = report_body(model, images, texts)
        return self._retry(
            lambda: self._request("POST", "embeddings", json=body).json(), self._patience, halted
        )
