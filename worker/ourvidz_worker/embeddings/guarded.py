"""Embeds items so that one bad item stops no other, and a broken embedder ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from ourvidz_worker import log
from ourvidz_worker.embeddings.messages import Embedded
from ourvidz_worker.errors import EngineBroken

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ourvidz_worker.embeddings.base import Embedder, Vectors

MAX_FAULTS = 3
T = TypeVar("T")


class GuardedEmbedder:
    """Counts the faults of the embedder's own: it raised, or gave numbers that are none.

    After `MAX_FAULTS` items in a row `raise_if_broken` raises: another process, or another machine, may do
    better, and each error costs its item an attempt. An item counts once, however often it comes again: it
    may be the reason itself.
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._failed: set[str] = set()
        self._last_fault = ""

    def raise_if_broken(self) -> None:
        """Raises EngineBroken."""
        if self._is_broken:
            raise EngineBroken(
                f"the embedder failed {MAX_FAULTS} items in a row, the last: {self._last_fault}"
            )

    def embed(self, items: Mapping[str, T], embed: Callable[[Sequence[T]], Vectors]) -> Iterator[Embedded]:
        """`items` by id; `embed` is one of the embedder's methods. Ends early once the embedder is broken."""
        for item_id, outcome in zip(items, self._outcomes(list(items.values()), embed), strict=False):
            if isinstance(outcome, str):
                self._failed.add(item_id)
                self._last_fault = outcome
                log.event("embedding_failed", id=item_id, reason=outcome)
                yield Embedded(item_id, error=outcome)
            else:
                self._failed.clear()
                yield Embedded(item_id, outcome)
            if self._is_broken:
                return

    @property
    def _is_broken(self) -> bool:
        return len(self._failed) >= MAX_FAULTS

    def _outcomes(
        self, items: Sequence[T], embed: Callable[[Sequence[T]], Vectors]
    ) -> Iterator[npt.NDArray[np.float32] | str]:
        """The vector of each, or what is wrong with it; one by one where all at once fail."""
        try:
            vectors = embed(items)
        except Exception as error:  # noqa: BLE001 libraries and drivers raise anything
            texts = [item for item in items if isinstance(item, str)]
            facts = log.describe_error(error, *texts)
        else:
            yield from map(_checked, vectors)
            return
        log.event("embedder_raised", items=len(items), **facts)
        if len(items) == 1:
            yield f"the embedder raised {facts['error']}"
            return
        for item in items:
            yield from self._outcomes([item], embed)


def _checked(vector: npt.NDArray[np.float32]) -> npt.NDArray[np.float32] | str:
    import numpy as np

    if not np.isfinite(vector).all():
        return "the vector has numbers that are not finite; --precision float32 may help"
    return vector if vector.any() else "the vector is all zero"
