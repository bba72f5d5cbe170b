"""IP-Adapters: a reference's style or character beside the prompt, each by weights of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers.models.embeddings import ImageProjection
from huggingface_hub import hf_hub_download
from safetensors.torch import load_file
from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

from ourvidz_worker.engines.diffusion.placement import Placement
from ourvidz_worker.engines.diffusion.weights import loading
from ourvidz_worker.engines.references import decode_image, find_reference
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import EngineUnusable
from ourvidz_worker.protocol import Job, Reference
from ourvidz_worker.weight_files import split_hub_name

Weights = dict[str, dict[str, Any]]


class Adapters:
    """On a pipeline's UNet and on those of all that share it. `types`: the references they serve.

    A reference that a job does not bring gets strength 0, and then the UNet leaves its adapter out:
    the pixels are those without any.
    """

    def __init__(self, pipeline: Any, settings: EngineSettings, placement: Placement) -> None:
        """Raises EngineUnusable naming what does not fit."""
        named = {"style": settings.style_adapter, "character": settings.character_adapter}
        files = {kind: where for kind, where in named.items() if where}
        self.types = tuple(files)
        self._seen: tuple[list[Reference | None], list[Any]] = ([], [])
        if not files:
            return
        encoder = _encoder(settings, placement)
        weights = [_weights(where, encoder, settings) for where in files.values()]
        side = encoder.config.image_size
        extractor = CLIPImageProcessor(
            size={"shortest_edge": side}, crop_size={"height": side, "width": side}
        )
        pipeline.register_modules(image_encoder=encoder, feature_extractor=extractor)
        with loading(next(iter(files.values())), settings):
            pipeline.load_ip_adapter(weights, subfolder=[""] * len(files), weight_name=[""] * len(files))

    def arguments(self, pipeline: Any, job: Job) -> Mapping[str, Any]:
        """Sets the strengths; what the call is given. Raises UnreadableReference."""
        if not self.types:
            return {}
        given = [find_reference(job, kind) for kind in self.types]
        pipeline.set_ip_adapter_scale([each.strength if each else 0.0 for each in given])
        if self._seen[0] != given:  # one look for all slots of a job
            layers = pipeline.unet.encoder_hid_proj.image_projection_layers
            pairs = zip(layers, given, strict=True)
            self._seen = (given, [_embeddings(pipeline, layer, each) for layer, each in pairs])
        is_guided = job.parameters.guidance > 1
        embeddings = [torch.cat([none, some]) if is_guided else some for some, none in self._seen[1]]
        return {"ip_adapter_image_embeds": embeddings}


def _embeddings(pipeline: Any, layer: Any, given: Reference | None) -> tuple[Any, Any]:
    """What the encoder tells of a reference, and of nothing; `layer` says in which form."""
    encoder, is_plain = pipeline.image_encoder, isinstance(layer, ImageProjection)
    if given is None:
        config = encoder.config
        shape: Sequence[int] = (1, 1, config.projection_dim)
        if not is_plain:
            shape = (1, 1, (config.image_size // config.patch_size) ** 2 + 1, config.hidden_size)
        nothing = torch.zeros(shape, dtype=encoder.dtype)
        return nothing, nothing
    seen = decode_image(given.content)
    with torch.inference_mode():
        some, none = pipeline.encode_image(seen, pipeline._execution_device, 1, not is_plain)
    return some[None], none[None]


def _encoder(settings: EngineSettings, placement: Placement) -> Any:
    where = settings.image_encoder
    if not where:
        raise EngineUnusable(
            "a style or character adapter needs the CLIP it was trained with: --image-encoder"
        )
    repository, inside = (where, "") if Path(where).is_dir() else split_hub_name(where)
    with loading(where, settings):
        encoder = CLIPVisionModelWithProjection.from_pretrained(
            repository,
            subfolder=inside,
            dtype=placement.precision,
            local_files_only=not settings.allow_download,
            use_safetensors=True,
        )
    return encoder.eval()


def _weights(where: str, encoder: Any, settings: EngineSettings) -> Weights:
    found: Weights = {"image_proj": {}, "ip_adapter": {}}
    with loading(where, settings):
        for name, tensor in load_file(_file(where, settings)).items():
            part, _, rest = name.partition(".")
            found.setdefault(part, {})[rest] = tensor
    if problem := _misfit(found, encoder.config):
        raise EngineUnusable(f"the weights {where!r} cannot be used: {problem}")
    return found


def _file(where: str, settings: EngineSettings) -> str:
    if not where.endswith(".safetensors"):
        raise ValueError("not a .safetensors file")
    if Path(where).is_file():
        return where
    repository, inside = split_hub_name(where)
    return str(hf_hub_download(repository, inside, local_files_only=not settings.allow_download))


def _misfit(weights: Weights, encoder: Any) -> str:
    """Why these are no weights for this encoder; empty when they fit."""
    image = weights["image_proj"]
    if not image or not weights["ip_adapter"]:
        return "it holds no IP-Adapter"
    widths = {
        "proj.weight": encoder.projection_dim,  # the plain one
        "proj_in.weight": encoder.hidden_size,  # "plus"
        "proj.0.weight": encoder.hidden_size,  # "full face"
    }
    name = next((name for name in widths if name in image), None)
    if name is None or (name == "proj.0.weight" and "proj.3.weight" not in image):  # for faces by number
        return "it wants more than a CLIP image encoder tells"
    if image[name].shape[-1] != widths[name]:
        return f"it wants {image[name].shape[-1]} values of the image encoder, which gives {widths[name]}"
    return ""
