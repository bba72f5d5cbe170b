"""IP-Adapters for style and character references, each with weights of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from diffusers.models.embeddings import ImageProjection
from safetensors.torch import load_file
from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

from ourvidz_worker.engines.diffusion.placement import Placement
from ourvidz_worker.engines.diffusion.weights import translate_load_errors, weight_file
from ourvidz_worker.engines.references import decode_image, find_reference
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.errors import EngineUnusable
from ourvidz_worker.protocol import Job, Reference
from ourvidz_worker.weight_files import is_on_disk, split_hub_name

Weights = dict[str, dict[str, Any]]


class Adapters:
    """The adapters on a pipeline's UNet, and on all pipelines that share it. `types`: the reference types.

    An adapter without a reference in the job gets strength 0. The UNet then skips it: the pixels are those
    without an adapter.
    """

    def __init__(self, pipeline: Any, settings: EngineSettings, placement: Placement) -> None:
        """Raises EngineUnusable, which names what does not fit."""
        locations = {"style": settings.style_adapter, "character": settings.character_adapter}
        files = {name: location for name, location in locations.items() if location}
        self.types = tuple(files)
        self._cached: tuple[list[Reference | None], list[Any]] = ([], [])
        if not files:
            return
        encoder = _encoder(settings, placement)
        weights = [_weights(location, encoder, settings) for location in files.values()]
        side = encoder.config.image_size
        extractor = CLIPImageProcessor(
            size={"shortest_edge": side}, crop_size={"height": side, "width": side}
        )
        pipeline.register_modules(image_encoder=encoder, feature_extractor=extractor)
        with translate_load_errors(next(iter(files.values())), settings):
            pipeline.load_ip_adapter(weights, subfolder=[""] * len(files), weight_name=[""] * len(files))

    def arguments(self, pipeline: Any, job: Job) -> Mapping[str, Any]:
        """Sets the strengths; returns the arguments of the pipeline call. Raises UnreadableReference."""
        if not self.types:
            return {}
        references = [find_reference(job, name) for name in self.types]
        pipeline.set_ip_adapter_scale([each.strength if each else 0.0 for each in references])
        if self._cached[0] != references:  # encoded once for all slots of a job
            layers = pipeline.unet.encoder_hid_proj.image_projection_layers
            pairs = zip(layers, references, strict=True)
            self._cached = (references, [_embeddings(pipeline, layer, each) for layer, each in pairs])
        is_guided = job.parameters.guidance > 1
        embeddings = [torch.cat([none, some]) if is_guided else some for some, none in self._cached[1]]
        return {"ip_adapter_image_embeds": embeddings}


def _embeddings(pipeline: Any, layer: Any, reference: Reference | None) -> tuple[Any, Any]:
    """The embeddings of a reference and of no image, in the form that the projection `layer` takes."""
    encoder, is_plain = pipeline.image_encoder, isinstance(layer, ImageProjection)
    if reference is None:
        config = encoder.config
        shape: Sequence[int] = (1, 1, config.projection_dim)
        if not is_plain:
            shape = (1, 1, (config.image_size // config.patch_size) ** 2 + 1, config.hidden_size)
        zeros = torch.zeros(shape, dtype=encoder.dtype)
        return zeros, zeros
    image = decode_image(reference.content)
    with torch.inference_mode():
        positive, negative = pipeline.encode_image(image, pipeline._execution_device, 1, not is_plain)
    return positive[None], negative[None]


def _encoder(settings: EngineSettings, placement: Placement) -> Any:
    location = settings.image_encoder
    if not location:
        raise EngineUnusable(
            "a style or character adapter needs the CLIP it was trained with: --image-encoder"
        )
    repository, subfolder = (location, "") if is_on_disk(location) else split_hub_name(location)
    with translate_load_errors(location, settings):
        encoder = CLIPVisionModelWithProjection.from_pretrained(
            repository,
            subfolder=subfolder,
            dtype=placement.precision,
            local_files_only=not settings.allow_download,
            use_safetensors=True,
        )
    return encoder.eval()


def _weights(location: str, encoder: Any, settings: EngineSettings) -> Weights:
    weights: Weights = {"image_proj": {}, "ip_adapter": {}}
    with translate_load_errors(location, settings):
        for name, tensor in load_file(weight_file(location, settings)).items():
            part, _, rest = name.partition(".")
            weights.setdefault(part, {})[rest] = tensor
    if problem := _compatibility_problem(weights, encoder.config):
        raise EngineUnusable(f"the weights {location!r} cannot be used: {problem}")
    return weights


def _compatibility_problem(weights: Weights, encoder: Any) -> str:
    """Why these weights do not fit this encoder; empty if they do."""
    projection = weights["image_proj"]
    if not projection or not weights["ip_adapter"]:
        return "it holds no IP-Adapter"
    widths = {
        "proj.weight": encoder.projection_dim,  # the plain one
        "proj_in.weight": encoder.hidden_size,  # "plus"
        "proj.0.weight": encoder.hidden_size,  # "full face"
    }
    name = next((name for name in widths if name in projection), None)
    if name is None or (name == "proj.0.weight" and "proj.3.weight" not in projection):  # a FaceID adapter
        return "it wants more than a CLIP image encoder tells"
    if projection[name].shape[-1] != widths[name]:
        return (
            f"it wants {projection[name].shape[-1]} values of the image encoder, which gives {widths[name]}"
        )
    return ""
