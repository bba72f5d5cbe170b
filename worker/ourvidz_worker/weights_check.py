"""What `ourvidz-worker check` finds out about weights without loading them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ourvidz_worker.engines.settings import EngineSettings
from ourvidz_worker.hub_weights import HubProblem, cached_location, hub_weights
from ourvidz_worker.pipeline_files import class_problem, pipeline_problem
from ourvidz_worker.weight_files import format_problem, is_on_disk, part_sizes

PIPELINES = ("model", "image model")


@dataclass(frozen=True, slots=True)
class Weights:
    """`sizes`: the bytes of each part in memory; `problem` is empty if the weights can be used."""

    about: str
    sizes: tuple[int, ...] = ()
    answer: str = ""
    problem: str = ""


def inspect_weights(settings: EngineSettings, float_bytes: int) -> Iterator[Weights]:
    """All weights that these settings name or lack. `float_bytes`: those of a number in memory."""
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
            yield inspect(about, location, settings, float_bytes)
        elif about == "model" or (about == "image encoder" and adapters):
            yield Weights(about, problem=f"name the weights with --{about.replace(' ', '-')}")


def inspect(about: str, location: str, settings: EngineSettings, float_bytes: int) -> Weights:
    if is_on_disk(location):
        return _on_disk(about, location, location, settings, float_bytes)
    if cached := cached_location(about, location):
        found = _on_disk(about, location, cached, settings, float_bytes)
        if not (found.problem and settings.allow_download):  # it may only lack what is fetched yet
            return found
    if settings.allow_download:
        return _on_hub(about, location, settings, float_bytes)
    return Weights(about, problem=f"no folder {location}; a hub name needs --allow-download")


def _on_disk(about: str, location: str, place: str, settings: EngineSettings, float_bytes: int) -> Weights:
    is_pipeline = about in PIPELINES
    problem = pipeline_problem(about, place, settings.engine) if is_pipeline else format_problem(about, place)
    stored = f"{sum(part_sizes(place)) / 2**30:.1f} GiB"
    source = "" if place == location else ", which was fetched before"
    return Weights(about, tuple(part_sizes(place, float_bytes)), f"{location}, {stored}{source}", problem)


def _on_hub(about: str, location: str, settings: EngineSettings, float_bytes: int) -> Weights:
    try:
        found = hub_weights(about, location)
    except HubProblem as error:
        return Weights(about, problem=str(error))
    problem = ""
    if about in PIPELINES and found.class_name:
        problem = class_problem(location, found.class_name, settings.engine)
    answer = f"{location}, {sum(found.sizes) / 2**30:.1f} GiB from the hub when the worker starts"
    # The hub does not say how wide numbers are stored: half as much is what they may take at least.
    sizes = tuple(size * float_bytes // 4 for size in found.sizes)
    return Weights(about, sizes, answer, problem)
