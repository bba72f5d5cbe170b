"""The messages of the embeddings' protocol, parsed and checked."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ourvidz_worker.errors import MalformedLease
from ourvidz_worker.protocol import MAX_REASON_LENGTH, url_safe

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ourvidz_worker.embeddings.base import Thresholds


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """What an installation's embeddings are of."""

    name: str
    dimensions: int
    thresholds: Thresholds

    def body(self) -> dict[str, Any]:
        thresholds = {kind: list(pair) for kind, pair in self.thresholds.items()}
        return {"name": self.name, "dimensions": self.dimensions, "thresholds": thresholds}


@dataclass(frozen=True, slots=True)
class LeasedImage:
    id: str
    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class LeasedText:
    id: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class EmbeddingLease:
    """What to embed within `seconds`."""

    images: tuple[LeasedImage, ...]
    texts: tuple[LeasedText, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Embedded:
    """The vector of one item, or why it has none."""

    id: str
    vector: npt.NDArray[np.float32] | None = field(default=None, repr=False)
    error: str = ""

    def body(self, id_name: str) -> dict[str, str]:
        if self.vector is None:
            return {id_name: self.id, "error": self.error[:MAX_REASON_LENGTH]}
        content = base64.b64encode(self.vector.astype("<f4").tobytes()).decode("ascii")
        return {id_name: self.id, "vector": content}


def report_body(model: str, images: Sequence[Embedded], texts: Sequence[Embedded]) -> dict[str, Any]:
    return {
        "model": model,
        "images": [each.body("asset_id") for each in images],
        "texts": [each.body("id") for each in texts],
    }


def parse_lease(body: Any) -> EmbeddingLease:
    """Raises MalformedLease, which names what is missing or wrong."""
    try:
        return EmbeddingLease(
            tuple(_image(each) for each in body.get("images") or ()),
            tuple(LeasedText(url_safe(each["id"]), _text(each["text"])) for each in body.get("texts") or ()),
            float(body["lease_seconds"]),
        )
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise MalformedLease(f"the lease is malformed: {type(error).__name__} {error}") from error


def _image(body: Mapping[str, Any]) -> LeasedImage:
    url = str(body["url"])
    if not (url.isascii() and url.isprintable() and urlsplit(url).path.startswith("/")):
        raise ValueError("of an image without an address")
    return LeasedImage(url_safe(body["asset_id"]), url)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("of a text that is none")
    return value.encode("utf-8", "replace").decode("utf-8")  # JSON can write half of a surrogate pair
