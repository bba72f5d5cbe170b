"""The keys of an entry that its engine alone reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ourvidz_worker.engines.model_keys import ENGINE_KEYS
from ourvidz_worker.model_file.locations import locate, locate_file
from ourvidz_worker.model_file.table import InvalidModel, Table, expect
from ourvidz_worker.options import OPTIONS

LOCATIONS = frozenset({"image_model", "enhancer", "image_encoder", "transformer", "transformer_2", "config"})
ADAPTERS = frozenset({"style_adapter", "character_adapter"})
FILES = LOCATIONS | ADAPTERS | {"workflow"}
"""The keys that name files or folders."""
PREDICTIONS = ("epsilon", "v_prediction")
TEXT_LENGTH = 500
_OPTIONS = {option.name: option for option in OPTIONS}


def parse_engine_keys(table: Table, engine: str, folder: Path) -> Mapping[str, Any]:
    """Those that the entry sets. Raises InvalidModel."""
    return {name: _parse(name, table, folder) for name in ENGINE_KEYS[engine] if name in table}


def _parse(name: str, table: Table, folder: Path) -> Any:
    place = table.at(name)
    if name in LOCATIONS:
        return locate(table.require(name, str), folder, place)
    if name in ADAPTERS:
        return locate_file(table.require(name, str), folder, place, ".safetensors")
    if name in _PARSERS:
        return _PARSERS[name](table, folder)
    if name in _OPTIONS:
        return _option(name, table)
    return table.text(name, TEXT_LENGTH)


def _option(name: str, table: Table) -> Any:
    """An option of the command line too, with the same range."""
    value = table.raw(name)
    if not isinstance(value, str | int | float | bool):
        raise InvalidModel(f"{table.at(name)} must be one value")
    try:
        return _OPTIONS[name].parse(str(value))
    except ValueError as error:
        raise InvalidModel(f"{table.at(name)} {error}, not {value!r}") from error


def _prediction(table: Table, folder: Path) -> str:
    value = table.require("prediction", str)
    if value not in PREDICTIONS:
        raise InvalidModel(
            f"{table.at('prediction')} must be one of {', '.join(PREDICTIONS)}, not {value[:60]!r}"
        )
    return value


def _workflow(table: Table, folder: Path) -> str:
    return locate_file(table.require("workflow", str), folder, table.at("workflow"))


def _bind(table: Table, folder: Path) -> dict[str, str | list[str]]:
    """The input of a node, such as `6.inputs.text`, or several, by the name of what is put there."""
    place, bound = table.at("bind"), table.require("bind", dict)
    for name, value in bound.items():
        texts = value if isinstance(value, list) and value else [value]
        for text in texts:
            expect(text, str, f"{place}.{name}")
    return bound


def _output(table: Table, folder: Path) -> str:
    value = table.raw("output")
    return str(value) if type(value) is int else expect(value, str, table.at("output"))


_PARSERS: Mapping[str, Callable[[Table, Path], Any]] = {
    "prediction": _prediction,
    "workflow": _workflow,
    "bind": _bind,
    "output": _output,
}
