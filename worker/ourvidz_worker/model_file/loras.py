"""The LoRAs of a model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ourvidz_worker.engines.model_keys import SKETCH_STYLES
from ourvidz_worker.engines.models import Lora
from ourvidz_worker.model_file.locations import locate_file
from ourvidz_worker.model_file.names import TITLE_LENGTH, slug
from ourvidz_worker.model_file.table import InvalidModel, Table, expect, one_line

KEYS = ("file", "weight", "name", "title", "minimum", "maximum", "trigger_words")
MAX_LORAS, MAX_TRIGGER_WORDS, TRIGGER_LENGTH = 64, 16, 80
WEIGHTS = (-10.0, 10.0)


def parse_loras(value: Any, folder: Path, place: str, *, has_files: bool) -> tuple[Lora, ...]:
    """`has_files`: whether the engine reads them from files; sketch has its own, by name."""
    entries = expect(value, list, place)
    if len(entries) > MAX_LORAS:
        raise InvalidModel(f"{place} has {len(entries)} entries; {MAX_LORAS} are allowed")
    loras: dict[str, Lora] = {}
    for number, entry in enumerate(entries):
        where = f"{place}[{number}]"
        lora = _lora(Table(entry, where, KEYS), folder, has_files=has_files)
        if lora.name in loras:
            raise InvalidModel(f"{where}: there are two of the name {lora.name}; give one a name of its own")
        loras[lora.name] = lora
    return tuple(loras.values())


def _lora(table: Table, folder: Path, *, has_files: bool) -> Lora:
    file = ""
    if has_files:
        file = locate_file(table.require("file", str), folder, table.at("file"), ".safetensors")
    elif "file" in table:
        raise InvalidModel(f"{table.at('file')}: this engine knows its LoRAs by name and reads no files")
    if not has_files and table.raw("name") not in SKETCH_STYLES:
        styles = ", ".join(SKETCH_STYLES)
        raise InvalidModel(f"{table.at('name')} must be one of {styles}, not {table.raw('name')!r}")
    name = slug(table.take("name", str, ""), table.at("name")) if "name" in table else _name_of(file, table)
    lowest, highest = table.take("minimum", float, -1.0), table.take("maximum", float, 2.0)
    weight = table.take("weight", float, 1.0)
    if not WEIGHTS[0] <= lowest <= highest <= WEIGHTS[1]:
        raise InvalidModel(
            f"{table.place}: minimum and maximum must rise, from {WEIGHTS[0]:g} to {WEIGHTS[1]:g}"
        )
    if not lowest <= weight <= highest:
        raise InvalidModel(f"{table.at('weight')} must be {lowest:g} to {highest:g}, not {weight:g}")
    return Lora(
        name=name,
        file=file,
        title=table.text("title", TITLE_LENGTH),
        weight=weight,
        lowest=lowest,
        highest=highest,
        trigger_words=_trigger_words(table),
    )


def _name_of(file: str, table: Table) -> str:
    """The file's name without its suffix, as a slug."""
    if not file:
        raise InvalidModel(f"{table.place}: name is missing")
    stem = file.partition("@")[0].rsplit("/", 1)[-1].removesuffix(".safetensors")
    name = re.sub(r"[^a-z0-9._-]+", "-", stem.lower()).strip("._-")[:40]
    if not name:
        raise InvalidModel(f"{table.place}: name is missing, and the file's name makes none")
    return name


def _trigger_words(table: Table) -> tuple[str, ...]:
    words = table.take("trigger_words", list, [])
    place = table.at("trigger_words")
    if len(words) > MAX_TRIGGER_WORDS:
        raise InvalidModel(f"{place} has {len(words)} words; {MAX_TRIGGER_WORDS} are allowed")
    return tuple(
        one_line(expect(each, str, f"{place}[{number}]"), TRIGGER_LENGTH, f"{place}[{number}]")
        for number, each in enumerate(words)
    )
