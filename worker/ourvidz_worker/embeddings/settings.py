"""The operator's settings for an embedder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SKETCH = "sketch"


@dataclass(frozen=True, slots=True)
class EmbedderSettings:
    """`model`: a folder in transformers' format, a name on the hub, or `sketch`; empty if none is named.

    `thresholds`: those that take the place of the embedder's own, by kind.
    """

    model: str = ""
    thresholds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    device: str = "auto"
    precision: str = "auto"
    allow_download: bool = False

    @property
    def has_weights(self) -> bool:
        return self.model not in ("", SKETCH)
