"""Embeddings of results and of texts, for the server's search by content."""

from __future__ import annotations

from importlib.util import find_spec

from ourvidz_worker.embeddings.base import Embedder
from ourvidz_worker.embeddings.settings import EmbedderSettings
from ourvidz_worker.errors import EngineUnusable

EMBEDDER_PACKAGES = ("torch", "transformers", "safetensors")


def load_embedder(settings: EmbedderSettings) -> Embedder:
    """Imports what is heavy, and loads the weights. Raises EngineUnusable, which says what is missing."""
    if not settings.has_weights:
        from ourvidz_worker.embeddings.sketch import SketchEmbedder

        return SketchEmbedder()
    if missing := missing_packages():
        raise EngineUnusable(f"an embedder with weights needs {', '.join(missing)}: {INSTALL}")
    from ourvidz_worker.embeddings.dual_encoder import DualEncoder

    return DualEncoder(settings)


INSTALL = "pip install './worker[embed]'"


def missing_packages() -> list[str]:
    return [name for name in EMBEDDER_PACKAGES if find_spec(name) is None]
