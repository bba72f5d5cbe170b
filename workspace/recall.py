"""Settings brought back into the composer: those of an asset of the owner's, or those that a file carries."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from generation.access.models import served_model
from generation.assets import listing
from generation.catalog.job_types import JobType, Media, Size
from generation.catalog.prompts import literal
from generation.catalog.submission import MAX_SEED
from generation.jobs import listing as job_listing
from generation.jobs.import_files import parameters_of
from generation.media.parameters.found import Parameters
from generation.media.parameters.unused import unused
from generation.models import Asset
from workspace import job_type_choice
from workspace.composer import from_job
from workspace.forms import DEFAULTS
from workspace.model_recall import model_of_file, recalled_model
from workspace.model_settings import values_of
from workspace.presets import NO_CONTROLS

# What may be asked for of an asset, and what is said then.
FIELDS = {
    "all": "Its settings are in the form.",
    "prompt": "Its prompt is in the form.",
    "seed": "Its seed is in the form.",
    "size": "Its size is in the form.",
}
NOTHING = "This file says nothing about how it was made."
SAME_SHAPE = 0.01  # how far apart the sides' proportions may be, as a logarithm


@dataclass(frozen=True, slots=True)
class Recalled:
    """What to fill in, by the composer's fields; a sentence for it, and one for each that has no place."""

    words: str
    values: dict[str, Any] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)

    @property
    def filled(self) -> dict[str, Any]:
        """For the composer's script."""
        values = {
            name: value if isinstance(value, bool) else str(value)
            for name, value in self.values.items()
            if name not in NO_CONTROLS
        }
        if "settings" in self.values:
            values |= values_of(self.values["model"], self.values["settings"])
        names = ("source", "type", "strength", "thumbnail")
        rows = self.values.get("references")
        if rows is None:
            return {"values": values}
        references = [{name: getattr(row, name) for name in names} for row in rows]
        return {"values": values, "references": references}


def of_asset(
    *, owner_id: int, asset_id: uuid.UUID, what: str, composer: Mapping[str, Any]
) -> Recalled | None:
    """What the owner's asset was made with; None if there is none. `composer` has what is chosen there."""
    asset = listing.find_asset(owner_id=owner_id, asset_id=asset_id, media="")
    if asset is None or what not in FIELDS:
        return None
    values, sentences = _of_asset(asset, what, composer)
    return Recalled(FIELDS[what] if values else NOTHING, values, sentences)


def of_query(owner_id: int, query: Mapping[str, str], composer: Mapping[str, Any]) -> Recalled | None:
    """What an address asks for by `recall`, an asset's id, and `field`; None if it asks for nothing."""
    try:
        asset_id = uuid.UUID(query.get("recall", ""))
    except ValueError:
        return None
    return of_asset(owner_id=owner_id, asset_id=asset_id, what=query.get("field", "all"), composer=composer)


def _of_asset(asset: Asset, what: str, composer: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    job = asset.job
    if job.is_import:
        return _of_import(asset, what, composer)
    if what == "prompt":
        return _prompts(job.prompt, job.negative_prompt), []
    if what == "seed":
        return {"seed": asset.seed}, []
    if what == "size":
        return _aspect(*_sizes(asset.owner_id, composer), job.width, job.height)
    [job] = job_listing.jobs_with_slots(owner_id=asset.owner_id, job_ids=[asset.job_id])
    values = from_job(job, str(asset.seed))
    settings, digest = values["settings"], values.pop("model_digest")
    found, sentences = recalled_model(asset.owner_id, values["model"], settings, digest)
    return values | found, sentences


def _of_import(asset: Asset, what: str, composer: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    found = of_file(parameters_of(asset), owner_id=asset.owner_id, media=asset.media, composer=composer)
    if what == "size":
        return _aspect(*_sizes(asset.owner_id, composer), asset.width or 1, asset.height or 1)
    if what == "all":
        return found.values, found.unused
    names = {"seed": ("seed",), "prompt": ("prompt", "negative_prompt", "one_per_line")}[what]
    return {name: found.values[name] for name in names if name in found.values}, []


def of_file(found: Parameters | None, *, owner_id: int, media: str, composer: Mapping[str, Any]) -> Recalled:
    """What a picture or video file of this medium carries, as far as a job here can use it."""
    if not found:
        return Recalled(NOTHING)
    values: dict[str, Any] = {}
    if found.prompt or found.negative_prompt:
        values |= _prompts(found.prompt, found.negative_prompt)
    seed, sentences = _seed(found.seed)
    values |= seed
    model = model_of_file(owner_id, found)
    values |= model.values
    if found.width and found.height:
        sizes = _sizes(owner_id, {**composer, "media": media, **model.values})
        aspect, more = _aspect(*sizes, found.width, found.height)
        values |= aspect
        sentences += more
    words = f"{found.source} wrote nothing that can be used here."
    if values:
        values["media"] = media
        words = f"Filled in from {found.source}’s settings."
    return Recalled(words, values, sentences + model.unused + unused(found, model.names))


def _prompts(prompt: str, negative_prompt: str) -> dict[str, Any]:
    """One prompt, whatever its lines are."""
    return {"prompt": literal(prompt), "negative_prompt": negative_prompt, "one_per_line": False}


def _seed(seed: int | None) -> tuple[dict[str, Any], list[str]]:
    if seed is None:
        return {}, []
    if seed > MAX_SEED:
        return {}, [f"Seed: {seed:,} – seeds here end at {MAX_SEED:,}."]
    return {"seed": seed}, []


def _sizes(owner_id: int, composer: Mapping[str, Any]) -> tuple[Mapping[str, Size], str]:
    """Those of what these fields of the composer choose, and the usual aspect ratio."""
    job_type = job_type_of(composer)
    model = served_model(owner_id, str(composer.get("model", "")))
    if model and job_type.name in model.job_types:
        return model.sizes_for(job_type), model.default_aspect(job_type)
    return job_type.sizes, job_type.default_aspect


def _aspect(
    sizes: Mapping[str, Size], usual: str, width: int, height: int
) -> tuple[dict[str, Any], list[str]]:
    """The aspect ratio nearest to this size, and a sentence where it is another or has other pixels."""
    shape = math.log(width / height)

    def distance(name: str) -> float:
        sides = sizes[name]
        return abs(math.log(sides[0] / sides[1]) - shape)

    nearest = min(sizes, key=distance)
    chosen = {"aspect": "" if nearest == usual else nearest}
    made = sizes[nearest]
    if made == (width, height):
        return chosen, []
    is_same = distance(nearest) < SAME_SHAPE
    near = "made here with" if is_same else f"the nearest here is {nearest},"
    return chosen, [f"Size: {width:,} × {height:,} – {near} {made[0]:,} × {made[1]:,}."]


def job_type_of(composer: Mapping[str, Any]) -> JobType:
    """What these fields of the composer choose; nonsense is what it chooses by itself."""
    media = composer.get("media", "")
    for quality, engine, enhance in (
        (composer.get("quality", ""), composer.get("engine", ""), bool(composer.get("enhance"))),
        (DEFAULTS["quality"], "", False),
    ):
        if found := job_type_choice.choose(media=media, quality=quality, engine=engine, enhance=enhance):
            return found
    return job_type_of({"media": Media.IMAGE})
