"""Does what a lease asks for: embeds it in batches and reports each."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from threading import Event
from typing import TypeVar

from ourvidz_worker import log
from ourvidz_worker.embeddings.base import Embedder
from ourvidz_worker.embeddings.client import EmbeddingServer
from ourvidz_worker.embeddings.guarded import GuardedEmbedder
from ourvidz_worker.embeddings.messages import Embedded, EmbeddingLease, LeasedImage, LeasedText
from ourvidz_worker.embeddings.thumbnails import fetch_images

BATCH = 8

T = TypeVar("T")
Results = tuple[list[Embedded], list[Embedded]]
"""Of images, and of texts."""


class LeaseWork:
    """Once `halted` is set, or the lease is over, no further batch is begun."""

    def __init__(self, server: EmbeddingServer, embedder: Embedder, halted: Event) -> None:
        self._server = server
        self._embedder = embedder
        self._guarded = GuardedEmbedder(embedder)
        self._halted = halted

    def run(self, lease: EmbeddingLease) -> int:
        """How many items the server took.

        Raises EngineBroken, once what there is was reported, and what the calls of the server raise.
        """
        began, taken, errors = time.monotonic(), 0, 0
        for images, texts in self._results(lease):
            taken += self._report(images, texts)
            errors += sum(bool(each.error) for each in (*images, *texts))
            self._guarded.raise_if_broken()
            if self._halted.is_set() or time.monotonic() - began > lease.seconds:
                break
        log.event(
            "embedded",
            images=len(lease.images),
            texts=len(lease.texts),
            taken=taken,
            errors=errors,
            seconds=round(time.monotonic() - began, 2),
        )
        return taken

    def _results(self, lease: EmbeddingLease) -> Iterator[Results]:
        for texts in _batches(lease.texts):
            yield [], self._embed_texts(texts)
        for images in _batches(lease.images):
            yield self._embed_images(images), []

    def _embed_texts(self, leased: Sequence[LeasedText]) -> list[Embedded]:
        texts = {each.id: each.text for each in leased}
        return list(self._guarded.embed(texts, self._embedder.embed_texts))

    def _embed_images(self, leased: Sequence[LeasedImage]) -> list[Embedded]:
        images, errors = fetch_images(self._server, leased, self._halted)
        return [*errors, *self._guarded.embed(images, self._embedder.embed_images)]

    def _report(self, images: list[Embedded], texts: list[Embedded]) -> int:
        if not images and not texts:
            return 0
        answer = self._server.report_embeddings(self._embedder.name, images, texts, halted=self._halted)
        rejected = answer.get("rejected") or ()
        for each in rejected:
            log.event("embedding_rejected", id=each.get("id"), code=each.get("code"))
        return len(images) + len(texts) - len(rejected)


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]
