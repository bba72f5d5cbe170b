"""A CLIP or SigLIP model: an encoder of images and one of texts, trained towards each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from transformers import AutoConfig, AutoImageProcessor, AutoTokenizer, CLIPModel, SiglipModel
from transformers.utils import logging as transformers_logging

from ourvidz_worker.embeddings.base import MAX_DIMENSIONS, MIN_DIMENSIONS, Thresholds
from ourvidz_worker.embeddings.settings import EmbedderSettings
from ourvidz_worker.embeddings.weights import find_weights, public_name
from ourvidz_worker.engines.diffusion.placement import choose_placement, is_out_of_memory
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import EngineUnusable

if TYPE_CHECKING:
    from ourvidz_worker.embeddings.base import Vectors

MODELS = {"clip": CLIPModel, "siglip": SiglipModel}

# Image and text: by CLIP ViT-B/32, captions that fit were chosen from 0.28 up (LAION-5B, arXiv 2210.08402),
# or 0.3 (LAION-400M, arXiv 2111.02114). SigLIP gives a pair sigmoid(scale × cosine + bias) (arXiv
# 2303.15343), which is one half at 0.11 for a learned scale near 117 and a bias near -13. Two images: tools
# that remove duplicates by CLIP begin at 0.9.
THRESHOLDS: dict[str, Thresholds] = {
    "clip": {"image": (0.75, 0.93), "text": (0.21, 0.29)},
    "siglip": {"image": (0.7, 0.92), "text": (0.05, 0.14)},
}
LOAD_ERRORS = (
    *(OSError, ValueError, TypeError, KeyError, ImportError, RuntimeError),
    *(AttributeError, SafetensorError),
)


class DualEncoder:
    """Loads from a folder alone: never asks the hub, never runs code that came with weights.

    Of a text the first tokens are read: 77 by CLIP, 64 by SigLIP, which are about 50 words.
    """

    def __init__(self, settings: EmbedderSettings) -> None:
        """Raises EngineUnusable: the weights do not exist, are of another kind or do not fit the memory."""
        transformers_logging.disable_progress_bar()
        transformers_logging.set_verbosity_error()
        self._placement = choose_placement(
            EngineSettings(device=settings.device, precision=settings.precision), half="float16"
        )
        self.device = f"{self._placement.describe()}, {self._placement.precision_name}"
        folder = find_weights(settings)
        self.name = public_name(settings.model, folder)
        try:
            self._load(str(folder))
            self.dimensions = self._common_dimensions()
        except LOAD_ERRORS as error:
            raise EngineUnusable(self._load_problem(settings.model, error)) from error
        self.thresholds = THRESHOLDS[self._family]

    def embed_images(self, images: Sequence[Image.Image]) -> Vectors:
        pixels = self._processor(images=list(images), return_tensors="pt")["pixel_values"]
        placed = pixels.to(self._placement.device, self._placement.precision)
        with torch.inference_mode():
            return _vectors(self._model.get_image_features(pixel_values=placed))

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        with torch.inference_mode():
            return _vectors(self._model.get_text_features(**self._tokens(texts)))

    def _tokens(self, texts: Sequence[str]) -> dict[str, Any]:
        """As each family was trained: SigLIP on lower-case texts of one length, without a mask."""
        is_siglip = self._family == "siglip"
        encoded = self._tokenizer(
            [text.lower() for text in texts] if is_siglip else list(texts),
            padding="max_length" if is_siglip else True,
            truncation=True,
            max_length=self._model.config.text_config.max_position_embeddings,
            return_tensors="pt",
        )
        names = ("input_ids",) if is_siglip else ("input_ids", "attention_mask")
        return {name: encoded[name].to(self._placement.device) for name in names}

    def _load(self, folder: str) -> None:
        source = {"local_files_only": True, "trust_remote_code": False}
        self._family = AutoConfig.from_pretrained(folder, **source).model_type
        # With Pillow, whatever else is installed: another library's pictures differ a little.
        self._processor: Any = AutoImageProcessor.from_pretrained(folder, backend="pil", **source)
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, **source)
        model, loading = MODELS[self._family].from_pretrained(
            folder,
            dtype=self._placement.precision,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
        if missing := loading["missing_keys"]:  # they would be filled with random numbers
            raise ValueError(f"{len(missing)} tensors are missing, {min(missing)} among them")
        self._model: Any = model.eval().to(self._placement.device)

    def _common_dimensions(self) -> int:
        """Of both encoders, found by trying them, so that what cannot work fails before the first lease."""
        image, text = self.embed_images([Image.new("RGB", (64, 64))]), self.embed_texts(["a"])
        if image.shape != text.shape or not MIN_DIMENSIONS <= image.shape[1] <= MAX_DIMENSIONS:
            raise ValueError(f"images have {image.shape[1]} dimensions and texts {text.shape[1]}")
        return int(image.shape[1])

    def _load_problem(self, model: str, error: Exception) -> str:
        if is_out_of_memory(error):
            return f"the weights {model!r} do not fit into the memory of {self.device}"
        first_line = (str(error).strip().splitlines() or [""])[0]
        return f"the weights {model!r} cannot be used: {type(error).__name__}: {first_line[:200]}"


def _vectors(output: Any) -> Vectors:
    vectors: Vectors = output.pooler_output.float().cpu().numpy().astype(np.float32)
    return vectors
