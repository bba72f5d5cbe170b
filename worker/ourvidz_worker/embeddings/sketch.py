"""The sketch embedder: colours and layout as a vector, without weights.

It sees what a picture's colours are and where they lie, and nothing of what the picture means. A text is what
the sketch engine draws for it: it finds what that engine drew, and of other engines' results those of such
colours.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ourvidz_worker.embeddings.base import Thresholds

if TYPE_CHECKING:
    from PIL import Image

    from ourvidz_worker.embeddings.base import Vectors

SIDE = 96  # px of a text's pictures
SEEDS = (0, 1)  # their mean is nearer to another seed's picture than each of them is


class SketchEmbedder:
    """The name ends with the version of its features."""

    name = "sketch-1"
    dimensions = 74
    # Of 144 pictures for 24 prompts: half of those for one prompt are at 0.87 or above to each other, and at
    # 0.9 to the prompt; of those for different prompts one in twenty is above 0.77.
    thresholds: Thresholds = {"image": (0.75, 0.93), "text": (0.7, 0.9)}

    def __init__(self) -> None:
        self.device = f"CPU ({platform.machine()})"

    def embed_images(self, images: Sequence[Image.Image]) -> Vectors:
        import numpy as np

        from ourvidz_worker.embeddings.colour_features import colour_features

        return np.stack([colour_features(image) for image in images])

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        import numpy as np

        vectors = [self.embed_images([_drawn(text, seed) for seed in SEEDS]) for text in texts]
        lengths = [np.linalg.norm(each, axis=1, keepdims=True) for each in vectors]
        return np.stack([(v / length).mean(axis=0) for v, length in zip(vectors, lengths, strict=True)])


def _drawn(text: str, seed: int) -> Any:
    from PIL import Image

    from ourvidz_worker.engines.sketch.picture import Picture

    return Image.fromarray(Picture(text, seed, SIDE, SIDE).still(lambda share: None))
