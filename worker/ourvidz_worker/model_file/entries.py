"""The entries of `[[models]]`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ourvidz_worker.engines.comfy.options import InvalidComfyOption, read_options
from ourvidz_worker.engines.model_keys import ENGINE_KEYS, GPU_ENGINES, MODEL_ENGINES
from ourvidz_worker.engines.models import LoraOffer, ModelSettings
from ourvidz_worker.engines.pools import JOB_TYPES, job_types_of_engine
from ourvidz_worker.model_file.engine_keys import parse_engine_keys
from ourvidz_worker.model_file.locations import locate, locate_file
from ourvidz_worker.model_file.loras import parse_loras
from ourvidz_worker.model_file.names import TITLE_LENGTH, slug
from ourvidz_worker.model_file.settings import known_settings, parse_fixed, parse_offer
from ourvidz_worker.model_file.table import InvalidModel, Table, expect, key_problem

MAX_MODELS = 64
KEYS = (
    *("name", "title", "engine", "weights", "vae", "loras", "job_types", "set", "offer", "sizes"),
    *("licence", "picture", "default"),
)
ASPECT = re.compile(r"[1-9][0-9]?:[1-9][0-9]?")
MAX_SIZES, SIDES = 16, (64, 4096)
STEP_OF_SIDES: Mapping[str, int] = {"sdxl": 8, "wan": 16}  # px; what their VAEs divide by
LICENCE_LENGTH, URL_LENGTH = 120, 300


def parse_models(content: Any, folder: Path) -> tuple[ModelSettings, ...]:
    """`folder`: that of the file, from where relative paths are seen. Raises InvalidModel."""
    if isinstance(content, dict):
        raise InvalidModel("models is one table: write [[models]], in double brackets, for each")
    entries = expect(content, list, "models")
    if not 0 < len(entries) <= MAX_MODELS:
        raise InvalidModel(f"models has {len(entries)} entries; 1 to {MAX_MODELS} are allowed")
    models: dict[str, ModelSettings] = {}
    for number, entry in enumerate(entries):
        place = f"models[{number}]"
        model = _parse_model(entry, place, folder)
        if model.name in models:
            raise InvalidModel(f"{place}.name: there are two models of the name {model.name}")
        models[model.name] = model
    return tuple(models.values())


def _parse_model(entry: Any, place: str, folder: Path) -> ModelSettings:
    engine = _engine(expect(entry, dict, place), place)
    table = Table(entry, place, (*KEYS, *ENGINE_KEYS[engine]))
    options = parse_engine_keys(table, engine, folder)
    known = known_settings(engine, tuple(options.get("bind", ())))
    fixed = parse_fixed(table.take("set", dict, {}), table.at("set"), known)
    loras = _loras(table, engine, folder)
    offer = parse_offer(table.take("offer", dict, {}), table.at("offer"), known, fixed, loras)
    chosen = offer.get("loras")
    offered_loras = chosen.choices if isinstance(chosen, LoraOffer) else ()
    licence_name, licence_url = _licence(table)
    model = ModelSettings(
        name=slug(table.require("name", str), table.at("name")),
        title=table.text("title", TITLE_LENGTH),
        engine=engine,
        weights=_weights(table, engine, folder),
        vae=_vae(table, engine, folder),
        loras=tuple(each for each in loras if each not in offered_loras),
        job_types=_job_types(table, engine),
        fixed={name: value for name, value in fixed.items() if name not in offer},
        offer=offer,
        sizes=_sizes(table, STEP_OF_SIDES.get(engine, 2)),
        licence_name=licence_name,
        licence_url=licence_url,
        picture=_picture(table, folder),
        is_default=table.take("default", bool, default=False),
        options=options,
    )
    if engine == "comfy":
        _check_comfy(model, place)
    return model


def _check_comfy(model: ModelSettings, place: str) -> None:
    """Its keys say something only together, and with the workflow."""
    try:
        read_options(model)
    except InvalidComfyOption as error:
        raise InvalidModel(f"{place}.{error}") from error


def _engine(entry: Mapping[str, Any], place: str) -> str:
    """Read before all others: the keys that the entry may have depend on it."""
    if "engine" not in entry:
        raise InvalidModel(f"{place}: engine is missing; there are {', '.join(MODEL_ENGINES)}")
    engine = expect(entry["engine"], str, f"{place}.engine")
    if engine not in MODEL_ENGINES:
        raise InvalidModel(f"{place}.engine must be one of {', '.join(MODEL_ENGINES)}, not {engine[:60]!r}")
    return engine


def _weights(table: Table, engine: str, folder: Path) -> str:
    if engine not in GPU_ENGINES:
        if "weights" in table:
            raise InvalidModel(f"{table.at('weights')}: the engine {engine} has none")
        return ""
    return locate(table.require("weights", str), folder, table.at("weights"))


def _vae(table: Table, engine: str, folder: Path) -> str:
    if "vae" not in table:
        return ""
    if engine not in GPU_ENGINES:
        raise InvalidModel(f"{table.at('vae')}: the engine {engine} has none")
    return locate(table.require("vae", str), folder, table.at("vae"))


def _loras(table: Table, engine: str, folder: Path) -> tuple[Any, ...]:
    if "loras" not in table:
        return ()
    if engine == "comfy":
        raise InvalidModel(f"{table.at('loras')}: the workflow has its own; bind their strength")
    return parse_loras(table.raw("loras"), folder, table.at("loras"), has_files=engine in GPU_ENGINES)


def _job_types(table: Table, engine: str) -> tuple[str, ...]:
    place, names = table.at("job_types"), table.take("job_types", list, [])
    if "job_types" in table and not names:
        raise InvalidModel(f"{place} is empty; leave it out for all that the engine can do")
    served = job_types_of_engine(engine)
    for number, value in enumerate(names):
        name = expect(value, str, f"{place}[{number}]")
        if name in JOB_TYPES and name not in served:
            raise InvalidModel(f"{place}[{number}]: the engine {engine} does not do {name}")
        if problem := key_problem(name, served):
            raise InvalidModel(f"{place}[{number}]: {problem.replace('is no key', 'is no job type')}")
    return tuple(dict.fromkeys(names))


def _sizes(table: Table, step: int) -> dict[str, tuple[int, int]]:
    """(width, height) px by aspect ratio."""
    sizes: dict[str, tuple[int, int]] = {}
    for aspect, value in table.take("sizes", dict, {}).items():
        place = f'{table.at("sizes")}."{aspect}"'
        if not ASPECT.fullmatch(aspect):
            raise InvalidModel(f"{place} is no aspect ratio, such as 16:9")
        sides = expect(value, list, place)
        if len(sides) != 2:
            raise InvalidModel(f"{place} must be [width, height] in pixels")
        width, height = (expect(side, int, f"{place}[{at}]") for at, side in enumerate(sides))
        for side in (width, height):
            if not SIDES[0] <= side <= SIDES[1] or side % step:
                raise InvalidModel(f"{place}: {side} is not {SIDES[0]} to {SIDES[1]} px by steps of {step}")
        sizes[aspect] = (width, height)
    if len(sizes) > MAX_SIZES:
        raise InvalidModel(f"{table.at('sizes')} has {len(sizes)} sizes; {MAX_SIZES} are allowed")
    return sizes


def _licence(table: Table) -> tuple[str, str]:
    """Name and address; each may be empty."""
    value = table.raw("licence")
    if value is None:
        return "", ""
    if isinstance(value, str):
        return table.text("licence", LICENCE_LENGTH), ""
    licence = Table(value, table.at("licence"), ("name", "url"))
    name, url = licence.text("name", LICENCE_LENGTH), licence.text("url", URL_LENGTH)
    if url and not _is_web_address(url):
        raise InvalidModel(f"{licence.at('url')} is no https:// address")
    if not name:
        raise InvalidModel(f"{licence.place}: name is missing")
    return name, url


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and " " not in url


def _picture(table: Table, folder: Path) -> str:
    if "picture" not in table:
        return ""
    return locate_file(table.require("picture", str), folder, table.at("picture"))
