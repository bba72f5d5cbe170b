"""The interface that every embedder implements, with its types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:  # importing them would delay the command line
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

Kind = Literal["image", "text"]
Thresholds = Mapping[Kind, tuple[float, float]]
"""By what is searched with, the cosines from which on a result is loosely alike, and very alike."""

Vectors: TypeAlias = "npt.NDArray[np.float32]"
"""(items, dimensions), of any length each."""

MIN_DIMENSIONS, MAX_DIMENSIONS = 16, 2000  # what servers keep


class Embedder(Protocol):
    """Gives images and texts vectors in one space. The same input gives the same vector."""

    @property
    def name(self) -> str:
        """Stays the same as long as its vectors can be compared: servers keep those of one name."""

    @property
    def dimensions(self) -> int: ...

    @property
    def thresholds(self) -> Thresholds: ...

    @property
    def device(self) -> str:
        """The device it runs on, as text for people."""

    def embed_images(self, images: Sequence[Image.Image]) -> Vectors:
        """Of images in RGB, of any size."""

    def embed_texts(self, texts: Sequence[str]) -> Vectors: ...
