"""What `ourvidz-worker check` finds out about weights without loading them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ourvidz_worker.engines.models import LoraOffer, ModelSettings, default_model
from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.hub_weights import HubProblem, cached_location, hub_weights
from ourvidz_worker.pipeline_files import IMAGE_CLASS, class_problem, pipeline_class, pipeline_problem
from ourvidz_worker.single_files import checkpoint_problem, lora_problem, transformer_problem, vae_problem
from ourvidz_worker.weight_files import format_problem, is_on_disk, is_single_file, part_sizes

PIPELINES = ("model", "image model")
NO_MODEL = ModelSettings()
TRANSFORMERS = ("transformer", "transformer_2")


@dataclass(frozen=True, slots=True)
class Weights:
    """`sizes`: the bytes of each part in memory; `problem` is empty if the weights can be used."""

    about: str
    sizes: tuple[int, ...] = ()
    answer: str = ""
    problem: str = ""


def inspect_weights(
    settings: EngineSettings, float_bytes: int, model: ModelSettings | None = None
) -> Iterator[Weights]:
    """All weights that these settings name or lack, and the files of their model. `float_bytes`: those of a
    number in memory."""
    model = model or default_model(settings)
    adapters = settings.style_adapter or settings.character_adapter
    for about, location in (
        ("model", settings.model),
        ("image model", settings.image_model),
        ("enhancer", settings.enhancer),
        ("style adapter", settings.style_adapter),
        ("character adapter", settings.character_adapter),
        ("image encoder", settings.image_encoder),
    ):
        if location:
            yield inspect(about, location, settings, float_bytes, model)
        elif about == "model" or (about == "image encoder" and adapters):
            yield Weights(about, problem=f"name the weights with --{about.replace(' ', '-')}")

    for about, location in model_files(model):
        yield inspect(about, location, settings, float_bytes)


def model_files(model: ModelSettings) -> Iterator[tuple[str, str]]:
    """What a model names beside its weights: VAE, transformers and LoRAs, with where they are."""
    if model.vae:
        yield "VAE", model.vae
    for name in TRANSFORMERS:
        if location := str(model.options.get(name, "")):
            yield name.replace("_", " "), location
    offer = model.offer.get("loras")
    for lora in (*model.loras, *(offer.choices if isinstance(offer, LoraOffer) else ())):
        for file in filter(None, (lora.file, lora.file_2)):
            yield f"LoRA {lora.name}", file


def _replaced(model: ModelSettings) -> tuple[str, ...]:
    """The parts of its weights that a model names apart, so that the weights' own are not loaded."""
    apart = {"vae": model.vae, **{name: model.options.get(name) for name in TRANSFORMERS}}
    return tuple(name for name, location in apart.items() if location)


def inspect(
    about: str,
    location: str,
    settings: EngineSettings,
    float_bytes: int,
    model: ModelSettings = NO_MODEL,
) -> Weights:
    """`model`: whose weights these are, if they are one's."""
    kind = "file" if is_single_file(location) else about
    if is_on_disk(location):
        return _on_disk(about, location, location, settings, float_bytes, model)
    if cached := cached_location(kind, location):
        found = _on_disk(about, location, cached, settings, float_bytes, model)
        if not (found.problem and settings.allow_download):  # it may only lack what is fetched yet
            return found
    if settings.allow_download:
        return _on_hub(about, kind, location, settings, float_bytes)
    return Weights(about, problem=f"no folder {location}; a hub name needs --allow-download")


def _on_disk(
    about: str,
    location: str,
    place: str,
    settings: EngineSettings,
    float_bytes: int,
    model: ModelSettings,
) -> Weights:
    problem = _problem(about, place, settings.engine, model)
    replaced = _replaced(model) if about == "model" else ()
    stored = f"{sum(part_sizes(place)) / 2**30:.1f} GiB"
    source = "" if place == location else ", which was fetched before"
    return Weights(
        about,
        tuple(part_sizes(place, float_bytes, without=replaced)),
        f"{location}, {stored}{source}",
        problem,
    )


def _problem(about: str, place: str, engine: str, model: ModelSettings) -> str:
    """Why these weights on this machine cannot be used as `about`; empty if nothing speaks against it."""
    if about == "model" and engine == "sdxl" and place.endswith(".safetensors"):
        return checkpoint_problem(place, has_vae=bool(model.vae))
    if about == "model":
        # A model of the file may be one that starts from frames; it needs no other beside it then.
        is_image = bool(model.name) and pipeline_class(Path(place)) == IMAGE_CLASS
        return pipeline_problem("image model" if is_image else about, place, engine, _replaced(model))
    if about in PIPELINES:
        return pipeline_problem(about, place, engine)
    if about == "VAE":
        return vae_problem(place)
    if about.startswith("transformer"):
        return transformer_problem(place)
    if about.startswith("LoRA "):
        return lora_problem(place, engine)
    return format_problem(about, place)


def _on_hub(about: str, kind: str, location: str, settings: EngineSettings, float_bytes: int) -> Weights:
    try:
        found = hub_weights(kind, location)
    except HubProblem as error:
        return Weights(about, problem=str(error))
    problem = ""
    if kind in PIPELINES and found.class_name:
        problem = class_problem(location, found.class_name, settings.engine)
    answer = f"{location}, {sum(found.sizes) / 2**30:.1f} GiB from the hub when the worker starts"
    # The hub does not say how wide numbers are stored: half as much is what they may take at least.
    sizes = tuple(size * float_bytes // 4 for size in found.sizes)
    return Weights(about, sizes, answer, problem)
